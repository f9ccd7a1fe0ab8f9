/**
 * What this gateway writes down of its clients, for `tidegatectl explain` (docs/explain.md): who
 * was let in, joined, resumed, left, missed messages, was refused. Never one record per message.
 *
 * Anonymous clients leave no records: nobody can ask for them by name. Bounds of rate and queue
 * are the bus's (bus/journal/); here, what one client can bring about again and again is collapsed.
 */
import type { Journal, JournalNote } from "../../bus/journal.ts";
import type { Position } from "../../bus/position.ts";
import type { CodedError, ErrorCode } from "../../proto/coded-error.ts";
import type { JournalAct } from "../../proto/gen/tidegate/bus/v1/journal.ts";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import { ROOM_NAME_BYTES_MAX } from "../../proto/room-name.ts";
import { type Connection, MemberState, type Membership } from "../connection.ts";
import { connectionId } from "../connection-id.ts";
import { wirePosition } from "../fanout.ts";
import type { Identity } from "../identity.ts";
import { LimitError } from "../limit-error.ts";
import type { LocalRoom } from "../local-room.ts";
import { RefusalFold } from "./refusal-fold.ts";

/** How often a gateway gives a sign of life, ms: so exactly is known when it was killed. */
export const SIGN_MS = 30_000;
/** Of these, every so many is listed with those of all gateways: one in 10 minutes. */
const LISTED_EVERY = 20;
/** A connection that lags again and again is noted so often, ms. */
const SKIP_MS = 10_000;
/** Memberships in one record of a closed connection: below 64 kB. */
const PLACE_COUNT_MAX = 256;
/** Attributes of a token beyond this are not kept, characters of JSON. */
const ATTRIBUTES_LENGTH_MAX = 512;
/** Of a refusal's sentence, characters. */
const DETAIL_LENGTH_MAX = 300;

/** What it needs of its gateway. */
export interface ClientJournalParts {
  readonly journal: Journal;
  readonly gatewayId: string;
  readonly nowUs: () => number;
}

/** See the file's header. */
export class ClientJournal {
  readonly #journal: Journal;
  readonly #gatewayId: string;
  readonly #nowUs: () => number;
  readonly #refusals: RefusalFold;
  /** Lagging connections, and until when no more is noted of them, microseconds. */
  readonly #skipsUntilUs = new Map<Connection, number>();
  #signs: NodeJS.Timeout | null = null;
  #startedUs = 0;

  constructor({ journal, gatewayId, nowUs }: ClientJournalParts) {
    this.#journal = journal;
    this.#gatewayId = gatewayId;
    this.#nowUs = nowUs;
    this.#refusals = new RefusalFold((note) => journal.note(note));
  }

  /** Gives signs of life until {@link stop}. @param connectionCount of this gateway. */
  start(connectionCount: () => number): void {
    this.#startedUs = this.#nowUs();
    this.#sign(connectionCount(), { isStart: true, isListed: true });
    let count = 0;
    this.#signs = setInterval(() => {
      count += 1;
      this.#sign(connectionCount(), { isListed: count % LISTED_EVERY === 0 });
    }, SIGN_MS).unref();
  }

  /** All connections are closed: the gateway ends in order. */
  stop(): void {
    if (this.#signs !== null) clearInterval(this.#signs);
    this.#refusals.close();
    this.#sign(0, { isEnd: true, isListed: true });
  }

  /** A client was welcomed. */
  opened(connection: Connection, { attributes, user }: Identity): void {
    if (user === "" || !this.#journal.isOn) return;
    const { profile, gate } = connection;
    const build = profile?.build;
    const value = {
      ...{ clientName: build?.name ?? "", clientVersion: build?.version ?? "" },
      ...{ clientPlatform: build?.platform ?? "", clientRegion: profile?.region ?? "" },
      gate: gate?.id ?? "",
      attributesJson: attributesText(attributes),
    };
    this.#note(connection, "", { what: { $case: "opened", value } });
  }

  /** A connection has ended; its memberships are those it had. @param code of the close. */
  closed(connection: Connection, code: number): void {
    this.#skipsUntilUs.delete(connection);
    if (!this.#isNoted(connection)) return;
    const joined = connection.memberships.filter(({ state }) => state !== MemberState.JOINING);
    for (let at = 0; at === 0 || at < joined.length; at += PLACE_COUNT_MAX) {
      const places = joined.slice(at, at + PLACE_COUNT_MAX).map((membership) => ({
        room: membership.room.address.room,
        through: optional(throughOf(membership)),
      }));
      this.#note(connection, "", { what: { $case: "closed", value: { code, places } } });
    }
  }

  /**
   * A Join was answered.
   *
   * @param from what the member gets comes after it.
   * @param after the position that it asked to resume from.
   */
  joined(
    membership: Membership,
    from: Position | null,
    after: Position | null,
    loss: GapReason | null,
  ): void {
    const { room, connection, gate, name } = membership;
    if (!this.#isNoted(connection)) return;
    const value = {
      from: optional(from),
      head: optional(room.place),
      isResume: after !== null || loss !== null,
      after: optional(after),
      loss: loss ?? GapReason.UNSPECIFIED,
      durable: room.policy.isDurable,
      gate: gate?.id ?? "",
      named: name === room.address.room ? "" : name,
    };
    this.#note(connection, room.address.room, { what: { $case: "joined", value } });
  }

  /** A membership ends while its connection goes on; call it before its state is changed. */
  left(membership: Membership, code: ErrorCode | null): void {
    const { connection, room, state } = membership;
    if (state === MemberState.JOINING || !this.#isNoted(connection)) return;
    const value = { code: code ?? "", through: optional(throughOf(membership)) };
    this.#note(connection, room.address.room, { what: { $case: "left", value } });
  }

  /** A member was told of a gap. @param until the last message that is missing; null: unknown. */
  gap(
    { connection, room, sent }: Membership,
    reason: GapReason,
    missedCount: number,
    until: Position | null,
  ): void {
    if (!this.#isNoted(connection)) return;
    const value = {
      reason,
      missedCount: BigInt(missedCount),
      ...{ after: optional(sent), until: optional(until) },
    };
    this.#note(connection, room.address.room, { what: { $case: "gap", value } });
  }

  /** All members of a room on the fast lane were told of a gap. */
  roomGap(room: LocalRoom, reason: GapReason, missedCount: number, after: Position | null): void {
    const { tenant, room: name } = room.address;
    const value = {
      reason,
      missedCount: BigInt(missedCount),
      ...{ after: optional(after), until: undefined },
    };
    this.#journal.note({ tenant, room: name, what: { $case: "gap", value } });
  }

  /** A connection was taken off the fast lane, with these memberships. */
  skipped(connection: Connection): void {
    if (!this.#isNoted(connection)) return;
    const nowUs = this.#nowUs();
    if (nowUs < (this.#skipsUntilUs.get(connection) ?? 0)) return;
    this.#skipsUntilUs.set(connection, nowUs + SKIP_MS * 1000);
    for (const { room, state, sent } of connection.memberships) {
      if (state !== MemberState.LAGGING) continue;
      const value = { after: optional(sent), policy: room.policy.slowMemberPolicy };
      this.#note(connection, room.address.room, { what: { $case: "skip", value } });
    }
  }

  /**
   * A Hello or Join was refused.
   *
   * @param identity null: not known who it is, so not noted.
   * @param room as the client said it. One that is too long for a name, which may have a whole
   *   frame, is not noted: nobody can ask for it.
   */
  refused(
    connection: Connection,
    identity: Identity | null,
    act: JournalAct,
    room: string,
    error: CodedError,
  ): void {
    if (identity === null || identity.user === "" || !this.#journal.isOn) return;
    if (room.length > ROOM_NAME_BYTES_MAX) return;
    const { tenant, user } = identity;
    const isLimit = error instanceof LimitError;
    const value = {
      ...{ code: error.code, detail: error.detail.slice(0, DETAIL_LENGTH_MAX), act, count: 1 },
      limit: isLimit ? error.limit : "",
      limitValue: BigInt(isLimit ? error.value : 0),
    };
    this.#refusals.add({ tenant, user, room, connection: this.#idOf(connection) }, value);
  }

  #isNoted({ identity }: Connection): boolean {
    return this.#journal.isOn && identity !== null && identity.user !== "";
  }

  #note(connection: Connection, room: string, note: JournalNote): void {
    const { tenant = "", user = "" } = connection.identity ?? {};
    this.#journal.note({ tenant, user, room, connection: this.#idOf(connection), ...note });
  }

  #idOf({ number }: Connection): string {
    return connectionId(this.#gatewayId, number);
  }

  #sign(
    connectionCount: number,
    what: { isStart?: boolean; isEnd?: boolean; isListed: boolean },
  ): void {
    const startedUs = BigInt(this.#startedUs);
    const value = { connectionCount, startedUs, isStart: false, isEnd: false, ...what };
    this.#journal.note({ what: { $case: "signs", value } });
  }
}

/** How far a membership came: everything up to it was handed to the socket, but for gaps. */
export function throughOf({ room, state, sent }: Membership): Position | null {
  if (!room.policy.isDurable) return null;
  return state === MemberState.LIVE ? room.place : sent;
}

function optional(position: Position | null) {
  return position === null ? undefined : wirePosition(position);
}

function attributesText(attributes: Identity["attributes"]): string {
  for (const _ in attributes) {
    const text = JSON.stringify(attributes);
    return text.length <= ATTRIBUTES_LENGTH_MAX ? text : "";
  }
  return "";
}
