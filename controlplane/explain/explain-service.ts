/**
 * ExplainService: gathers what is known of a user, a room and a message, and leaves the judgement
 * to decide-explanation.ts.
 *
 * Gateways are asked first: with their answer they have written down what they had noted.
 */
import type { Bus } from "../../bus/bus.ts";
import type { JournalEntry, JournalRead } from "../../bus/journal.ts";
import { formatPosition, type Position, parsePosition } from "../../bus/position.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { UserAnswer, UserQuestion } from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type { JournalRecord } from "../../proto/gen/tidegate/bus/v1/journal.ts";
import type {
  ExplainEvent,
  ExplainMembership,
} from "../../proto/gen/tidegate/control/v1/explain.ts";
import type {
  ExplainRequest,
  ExplainResponse,
} from "../../proto/gen/tidegate/control/v1/explain_service.ts";
import { classPolicy } from "../../proto/room-class.ts";
import { askGateways } from "../ask-gateways.ts";
import type { ControlStore } from "../control-store.ts";
import { presentClass } from "../decide-room-class.ts";
import { gatewayName } from "../fleet-names.ts";
import { InvalidFieldsError, shown } from "../invalid-fields.ts";
import { parseRoom, parseTenant } from "../resource-name.ts";
import { RoomClassStore } from "../room-class-store.ts";
import { decideExplanation } from "./decide-explanation.ts";
import type { ExplainFacts, GatewayFacts, MessageFacts, Sign } from "./facts.ts";
import { findMessage } from "./find-message.ts";
import type { Membership } from "./memberships.ts";
import { readSettings } from "./read-settings.ts";
import { entryText } from "./words.ts";

/** Records are no older, ms. */
const SPAN_MS_MAX = 24 * 3600 * 1000;
/** Bytes of a user's name. */
const USER_BYTES_MAX = 128;
/** Lost gateways that are looked into, the newest. */
const LOST_COUNT_MAX = 20;
/** Each gateway that lives is listed once in this time, microseconds. */
const LIVES_US = 15 * 60_000_000;
/** Events of one answer. */
const EVENT_COUNT_MAX = 1000;

/** Whom and what it is about, checked. */
interface Asked {
  readonly tenant: string;
  readonly room: string;
  readonly user: string;
  readonly sinceUs: number;
}

/** The call of ExplainService; throws a CodedError to refuse. */
export class ExplainCalls {
  readonly #bus: Bus;
  readonly #store: ControlStore;
  readonly #classes: RoomClassStore;

  constructor(bus: Bus, store: ControlStore) {
    this.#bus = bus;
    this.#store = store;
    this.#classes = new RoomClassStore(store);
  }

  async explain(request: ExplainRequest): Promise<ExplainResponse> {
    const nowUs = Date.now() * 1000;
    const asked = checkRequest(request, nowUs);
    const message = await this.#findMessage(asked, request.message, nowUs);
    const { gateways, silent, renewals } = await this.#askGateways(asked);
    const span = await this.#bus.journal.span();
    const fromUs = span === null ? null : Math.max(asked.sinceUs, span.fromUs);
    const records = await this.#readRecords(asked, gateways, renewals);
    const { user, room } = asked;
    const facts: ExplainFacts = { user, room, nowUs, fromUs, message, gateways, ...records };
    const decided = decideExplanation(facts);
    const settings = await readSettings(this.#bus, this.#store, facts, asked.tenant);
    return {
      ...{ verdict: decided.verdict, answer: decided.answer, reasons: [...decided.reasons] },
      memberships: decided.memberships.map(presentMembership),
      events: presentEvents(facts),
      settings,
      coverage: {
        ...{ from: fromUs === null ? undefined : dateOf(fromUs), to: dateOf(nowUs) },
        droppedCount: BigInt(facts.droppedCount),
        ...{ bytes: BigInt(span?.bytes ?? 0), bytesMax: BigInt(span?.bytesMax ?? 0) },
        silentGateways: silent,
      },
      unknowns: [...decided.unknowns],
    };
  }

  /** Throws `ROOM_CLASS_UNKNOWN`, `ROOM_NAME_INVALID`. */
  async #findMessage(
    { tenant, room }: Asked,
    text: string,
    nowUs: number,
  ): Promise<MessageFacts | null> {
    const { class: roomClass } = parseRoom(tenant, room, "room");
    const record = presentClass(await this.#classes.read({ tenant, class: roomClass }));
    const policy = record === null ? null : classPolicy(roomClass, record);
    if (policy === null) {
      const detail = `tenant "${tenant}" has no room class "${roomClass}"`;
      throw new CodedError("ROOM_CLASS_UNKNOWN", detail);
    }
    if (text === "") return null;
    const position = parseMessage(text, policy.isDurable);
    if (!policy.isDurable) return { position, state: "ephemeral" };
    const address = parseRoom(tenant, room, "room", policy.group);
    return { position, state: await findMessage(this.#bus, address, position, policy, nowUs) };
  }

  async #askGateways({ tenant, user, room }: Asked) {
    const processes = await this.#bus.topology.processes();
    const running = processes.filter(({ parts }) => parts !== "controlplane");
    const question = UserQuestion.encode({ tenant, user, room }).finish();
    const answers = new Map<string, UserAnswer>();
    const ids = running.map(({ id }) => id);
    const silent = await askGateways(this.#bus, ids, "user", question, (id, answer) => {
      answers.set(id, UserAnswer.decode(answer));
      return true;
    });
    const gateways = new Map<string, GatewayFacts>();
    for (const { id, startedUs } of running) {
      const connections = answers.get(id)?.connections ?? null;
      const isSilent = silent.includes(gatewayName(id));
      // Neither: nobody of that id is there any more, its lease has only not ended yet.
      if (connections !== null || isSilent) gateways.set(id, { startedUs, connections });
    }
    const renewals = new Map(running.map(({ id, renewedUs }) => [id, renewedUs]));
    return { gateways, silent, renewals };
  }

  async #readRecords(
    { tenant, room, user, sinceUs }: Asked,
    gateways: ReadonlyMap<string, GatewayFacts>,
    renewals: ReadonlyMap<string, number>,
  ): Promise<
    Pick<ExplainFacts, "entries" | "roomGaps" | "signs" | "lost" | "droppedCount" | "isCut">
  > {
    const { journal } = this.#bus;
    const isOfUser = ({ record }: JournalEntry) =>
      record.tenant === tenant && record.user === user && isAbout(record, room);
    const isOfRoom = ({ record }: JournalEntry) =>
      record.tenant === tenant && record.room === room && record.user === "";
    const [ofUser, ofRoom, dropped] = await Promise.all([
      journal.read({ kind: "user", tenant, user }, sinceUs, isOfUser),
      journal.read({ kind: "room", tenant, room }, sinceUs, isOfRoom),
      journal.read({ kind: "dropped" }, sinceUs, () => true),
    ]);
    const droppedCount = dropped.entries.reduce((sum, { record: { what } }) => {
      return sum + (what?.$case === "dropped" ? Number(what.value.count) : 0);
    }, 0);
    const lives = await journal.read({ kind: "lives" }, sinceUs - LIVES_US, () => true);
    const lost = await this.#findLost(lives, gateways, renewals);
    const signs = new Map<string, Sign[]>();
    for (const { id, signs: own } of lost) signs.set(id, [...(signs.get(id) ?? []), ...own]);
    for (const own of signs.values()) own.sort((a, b) => a.timeUs - b.timeUs);
    return {
      ...{ entries: ofUser.entries, roomGaps: ofRoom.entries, signs, lost, droppedCount },
      isCut: ofUser.isCut || ofRoom.isCut || dropped.isCut || lives.isCut,
    };
  }

  /** Gateways that neither ended in order nor are there, with their signs of life. */
  async #findLost(
    lives: JournalRead,
    gateways: ReadonlyMap<string, GatewayFacts>,
    renewals: ReadonlyMap<string, number>,
  ) {
    const candidates = lostLives(lives, gateways).slice(-LOST_COUNT_MAX);
    return Promise.all(
      candidates.map(async ({ id, startedUs }) => {
        const read = await this.#bus.journal.read({ kind: "process", id }, startedUs, () => true);
        const all = [...signsOf(read, startedUs), ...signsOf(lives, startedUs, id)];
        const renewedUs = gateways.has(id) ? undefined : renewals.get(id);
        // A lease that has not ended yet says when a gateway that is gone was last there.
        if (renewedUs !== undefined && renewedUs > startedUs) {
          all.push({ timeUs: renewedUs, isStart: false, isEnd: false });
        }
        const lastUs = Math.max(...all.map(({ timeUs }) => timeUs));
        return { id, startedUs, lastUs, signs: all };
      }),
    );
  }
}

/** Records of connections have no room; who asked for this one may be in a sibling of it. */
function isAbout({ room, what }: JournalRecord, wanted: string): boolean {
  const isSibling = what?.$case === "joined" && what.value.named === wanted;
  return room === "" || room === wanted || isSibling;
}

/** Lives of gateways, by their begin, that have no end and are not there now. */
function lostLives(
  { entries }: JournalRead,
  gateways: ReadonlyMap<string, GatewayFacts>,
): { id: string; startedUs: number }[] {
  const open = new Map<string, { id: string; startedUs: number }>();
  for (const { process: id, record } of entries) {
    if (record.what?.$case !== "signs") continue;
    const startedUs = Number(record.what.value.startedUs);
    const key = `${id} ${startedUs}`;
    // Its process began before its gateway did, and another one of the name after it.
    const isThere = (gateways.get(id)?.startedUs ?? Number.POSITIVE_INFINITY) <= startedUs;
    if (record.what.value.isEnd || isThere) open.delete(key);
    else open.set(key, { id, startedUs });
  }
  return [...open.values()];
}

/** Signs of one life. @param id default: of whatever process they are. */
function signsOf({ entries }: JournalRead, startedUs: number, id = ""): Sign[] {
  return entries.flatMap(({ process, record: { timeUs, what } }) => {
    if (what?.$case !== "signs" || (id !== "" && process !== id)) return [];
    const { isStart, isEnd } = what.value;
    const isOfLife = Number(what.value.startedUs) === startedUs;
    return isOfLife ? [{ timeUs: Number(timeUs), isStart, isEnd }] : [];
  });
}

function checkRequest(request: ExplainRequest, nowUs: number): Asked {
  const tenant = parseTenant(request.parent, "parent");
  const { room, user, since } = request;
  const bytes = Buffer.byteLength(user);
  if (bytes === 0 || bytes > USER_BYTES_MAX) {
    const description = `has ${bytes} bytes, must have 1 to ${USER_BYTES_MAX}`;
    throw new InvalidFieldsError([{ field: "user", description }]);
  }
  const oldestUs = nowUs - SPAN_MS_MAX * 1000;
  const sinceUs = since === undefined ? oldestUs : Math.max(oldestUs, since.getTime() * 1000);
  return { tenant, room, user, sinceUs };
}

/** @throws {InvalidFieldsError} `REQUEST_INVALID`. */
function parseMessage(text: string, isDurable: boolean): Position {
  const time = /^0\.0\.(\d{1,16})$/.exec(text)?.[1];
  if (!isDurable && time !== undefined) return { epoch: 0, seq: 0, timeUs: Number(time) };
  try {
    return parsePosition(text);
  } catch {
    const wanted = isDurable ? '"<epoch>.<seq>.<time_us>"' : '"0.0.<time_us>", its time';
    const description = `${shown(text)} is not ${wanted}`;
    throw new InvalidFieldsError([{ field: "message", description }]);
  }
}

function presentMembership(membership: Membership): ExplainMembership {
  const { connection, gateway, joinedUs, from, through, end, endUs, endReason } = membership;
  return {
    ...{ connection, gateway: gatewayName(gateway), end, endReason },
    joinTime: joinedUs === 0 ? undefined : dateOf(joinedUs),
    from: from === null ? "" : formatPosition(from),
    through: through === null ? "" : formatPosition(through),
    endTime: endUs === null ? undefined : dateOf(endUs),
  };
}

function presentEvents({ entries, roomGaps }: ExplainFacts): ExplainEvent[] {
  const all = [...entries, ...roomGaps].sort((a, b) => Number(a.record.timeUs - b.record.timeUs));
  return all.slice(-EVENT_COUNT_MAX).map((entry) => ({
    time: dateOf(Number(entry.record.timeUs)),
    gateway: gatewayName(entry.process),
    connection: entry.record.connection,
    kind: entry.record.what?.$case ?? "",
    text: entryText(entry),
  }));
}

function dateOf(timeUs: number): Date {
  return new Date(Math.floor(timeUs / 1000));
}
