/**
 * Says what this gateway is and carries, in its lease: every 5 s, and at once when its state
 * changes. Whoever lists the processes has it without asking (control plane, drains, balance).
 */
import type { Bus } from "../../bus/bus.ts";
import { GatewayFacts, ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import type { Connections } from "../connections.ts";
import type { GatewayContext } from "../context.ts";
import type { ControlFeed } from "../control-link/control-feed.ts";
import type { Fanout } from "../fanout.ts";
import type { Lagging } from "../lagging.ts";
import { type Counts, LoadMeter } from "./load-meter.ts";

/** How often it is said, ms: as often as leases are renewed (R12). */
const ANNOUNCE_MS = 5000;

/** Characters of what is said of a refused record: facts have 4096 bytes at most. */
const TROUBLE_CHARS_MAX = 500;

/** What is true now, and is not of the process. */
export type FactsNow = Pick<
  GatewayFacts,
  | "region"
  | "advertiseUrl"
  | "connectionCount"
  | "connectionCountMax"
  | "roomCount"
  | "memberCount"
  | "configVersion"
  | "configAgeMs"
  | "configTrouble"
  | "rssBytes"
  | "slowConnectionCount"
>;

/** Where the announcer reads. */
export interface FactsSource {
  facts(): FactsNow;
  counts(): Counts;
}

/** The parts of a gateway that are told of. */
export interface AnnouncedParts {
  readonly context: GatewayContext;
  readonly connections: Connections;
  readonly fanout: Pick<Fanout, "messageCount">;
  readonly lagging: Pick<Lagging, "behindCount">;
}

/** Announces a gateway that listens. */
export function announceGateway(
  { context, connections, fanout, lagging }: AnnouncedParts,
  feed: ControlFeed,
): Announcer {
  const { bus, options, rooms, traffic } = context;
  return new Announcer(bus, {
    facts: () => ({
      region: options.region,
      advertiseUrl: context.options.advertiseUrl,
      connectionCount: connections.count,
      connectionCountMax: options.connectionCountMax,
      roomCount: rooms.count,
      memberCount: rooms.memberCount,
      configVersion: BigInt(feed.version),
      configAgeMs: Math.min(Math.round(feed.ageMs), 0xffff_ffff),
      configTrouble: feed.trouble.slice(0, TROUBLE_CHARS_MAX),
      rssBytes: BigInt(process.memoryUsage.rss()),
      slowConnectionCount: lagging.behindCount,
    }),
    counts: () => ({
      connected: connections.openedCount,
      published: traffic.publishCount,
      delivered: fanout.messageCount,
    }),
  });
}

export class Announcer {
  readonly #bus: Bus;
  readonly #source: FactsSource;
  readonly #meter = new LoadMeter();
  readonly #timer: NodeJS.Timeout;
  #state: ServingState = ServingState.SERVING;
  #last: GatewayFacts;

  constructor(bus: Bus, source: FactsSource) {
    this.#bus = bus;
    this.#source = source;
    this.#last = this.#read();
    this.#announce();
    this.#timer = setInterval(() => {
      this.#last = this.#read();
      this.#announce();
    }, ANNOUNCE_MS).unref();
  }

  /** Whether clients are taken. */
  get state(): ServingState {
    return this.#state;
  }

  /** As it was said last. */
  get last(): GatewayFacts {
    return this.#last;
  }

  /** Changes the state, and says so within a second. */
  setState(state: ServingState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#last = { ...this.#last, ...this.#source.facts(), state };
    this.#announce();
  }

  /** Says nothing more. */
  close(): void {
    clearInterval(this.#timer);
    this.#meter.close();
  }

  #read(): GatewayFacts {
    const load = this.#meter.read(this.#source.counts());
    const busLagMs = this.#bus.status().lagMs ?? 0;
    return { ...this.#source.facts(), ...load, busLagMs, state: this.#state };
  }

  #announce(): void {
    this.#bus.topology.announce(GatewayFacts.encode(this.#last).finish());
  }
}
