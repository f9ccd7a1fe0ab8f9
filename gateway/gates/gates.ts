/**
 * Version gates as this gateway knows them: a live copy of their records (control-feed.ts), asked
 * about connections and rooms.
 *
 * Without gates every question is answered by one comparison. What they decide is in proto/gates/.
 */
import type { BuildFacts } from "../../proto/client-context.ts";
import { type Gate, orderGates, readGate } from "../../proto/gates/compile-gate.ts";
import {
  type Build,
  chooseGate,
  choosePlace,
  type GateSubject,
  gatewayRules,
  type Place,
  readBuild,
} from "../../proto/gates/judge-client.ts";
import { GATE_COUNT_MAX, GATE_PREFIX } from "../../proto/gates/names.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import type { Connection } from "../connection.ts";
import type { ControlFeed } from "../control-link/control-feed.ts";
import type { Identity } from "../identity.ts";

const noGates: readonly Gate[] = [];
const noBuild: BuildFacts = { name: "", version: "", platform: "" };

/** What gates decide together: one for those in force, one for each change that is tried. */
export class GateList {
  /** In the order in which they are asked. */
  readonly all: readonly Gate[];
  /** Those with an action about connections, and about rooms; those with sets; with gateways. */
  readonly #ofConnections: readonly Gate[];
  readonly #ofRooms: readonly Gate[];
  readonly #ofPlaces: readonly Gate[];
  readonly #ofGateways: readonly Gate[];

  constructor(gates: Iterable<Gate>) {
    this.all = orderGates(gates);
    const acting = this.all.filter(({ action }) => action !== GateAction.UNSPECIFIED);
    this.#ofConnections = acting.filter(({ roomClasses }) => roomClasses === null);
    this.#ofRooms = acting.filter(({ roomClasses }) => roomClasses !== null);
    this.#ofPlaces = this.all.filter(({ sets }) => sets.length > 0);
    this.#ofGateways = this.all.filter(({ gateways }) => gateways !== null);
  }

  /** Whether connections are concerned at all. */
  get isAboutConnections(): boolean {
    return this.#ofConnections.length > 0;
  }

  /** Whether rooms are concerned at all: else they are what they are named, and open to all. */
  get isAboutRooms(): boolean {
    return this.#ofRooms.length > 0 || this.#ofPlaces.length > 0;
  }

  /** Whether some builds may not be sent to every gateway. */
  get isAboutGateways(): boolean {
    return this.#ofGateways.length > 0;
  }

  /** The gate that decides about a connection; null for none, or an exception. */
  ofConnection(subject: GateSubject): Gate | null {
    return withoutAllow(chooseGate(this.#ofConnections, subject, null));
  }

  /** The gate that decides about rooms of a class; null for none, or an exception. */
  ofRoom(subject: GateSubject, roomClass: string): Gate | null {
    return withoutAllow(chooseGate(this.#ofRooms, subject, roomClass));
  }

  /** Where a client finds itself that names a room. */
  placeOf(subject: GateSubject, roomClass: string, room: string): Place {
    return choosePlace(this.#ofPlaces, subject, roomClass, room);
  }

  /** What limits the gateways that a client may be sent to; mostly nothing. */
  gatewayRules(subject: GateSubject): readonly Gate[] {
    return this.isAboutGateways ? gatewayRules(this.#ofGateways, subject) : noGates;
  }

  /** These gates after a change. @param gate null: deleted. */
  with(id: string, gate: Gate | null): GateList {
    const others = this.all.filter((each) => each.id !== id);
    return new GateList(gate === null ? others : [...others, gate]);
  }
}

/** The gates of one gateway. */
export class Gates {
  /** One reading of a version for each build that is connected. */
  readonly #builds = new WeakMap<BuildFacts, Build>();
  /** Connections and joins that gates have refused since the start. */
  refusedCount = 0;
  #present = new GateList([]);
  #onChange: () => void = () => {};

  /** Follows the gates by a feed, which is opened after this. */
  constructor(feed: ControlFeed) {
    feed.follow(GATE_PREFIX, (key, value) => this.#apply(key, value));
  }

  /** Those in force. */
  get present(): GateList {
    return this.#present;
  }

  /** For /health. */
  counters(): Readonly<Record<string, number>> {
    return { count: this.#present.all.length, refused: this.refusedCount };
  }

  /** Calls `listener` after each change. One listener. */
  follow(listener: () => void): void {
    this.#onChange = listener;
  }

  /** A connection as gates look at it. Anonymous clients are told apart by their producer key. */
  subjectOf({ number, profile, producer }: Connection, { tenant, user }: Identity): GateSubject {
    const facts = profile?.build ?? noBuild;
    let build = this.#builds.get(facts);
    if (build === undefined) {
      build = readBuild(facts);
      this.#builds.set(facts, build);
    }
    return { tenant, key: user || producer || String(number), build };
  }

  /** The gate that decides about a connection; null for none. */
  ofConnection(connection: Connection, identity: Identity): Gate | null {
    if (!this.#present.isAboutConnections) return null;
    return this.#present.ofConnection(this.subjectOf(connection, identity));
  }

  /** What limits the gateways that a connection may be sent to; mostly nothing. */
  gatewayRules(connection: Connection, identity: Identity): readonly Gate[] {
    if (!this.#present.isAboutGateways) return noGates;
    return this.#present.gatewayRules(this.subjectOf(connection, identity));
  }

  /** A record with a fault is refused, and the last good one stays. */
  #apply(key: string, value: Uint8Array | null): string | null {
    const id = key.slice(GATE_PREFIX.length);
    const gate = value === null ? null : readGate(key, value);
    if (typeof gate === "string") return gate;
    const next = this.#present.with(id, gate);
    if (next.all.length > GATE_COUNT_MAX) return `there are ${GATE_COUNT_MAX} gates, the most`;
    this.#present = next;
    this.#onChange();
    return null;
  }
}

function withoutAllow(gate: Gate | null): Gate | null {
  return gate?.action === GateAction.ALLOW ? null : gate;
}
