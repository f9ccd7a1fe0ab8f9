/**
 * History: one page of a durable room's stored messages, within the reach of its class.
 */
import type { DurableMessage } from "../../bus/bus.ts";
import { comparePositions, type Position } from "../../bus/position.ts";
import { isVoid } from "../../bus/void.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { History } from "../../proto/gen/tidegate/client/v1/history.ts";
import { Envelope } from "../../proto/gen/tidegate/client/v1/message.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import { HISTORY_COUNT_MAX } from "../../proto/room-class.ts";
import { isPermitted } from "../auth/permission.ts";
import { type Connection, findMembership, refuseInFlight } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { wirePosition } from "../fanout.ts";
import { gatedRoom } from "../gates/gated-room.ts";
import { roomRefusal } from "../gates/tell-client.ts";
import { Action, type Identity } from "../identity.ts";
import { inFlightMax } from "../rates/in-force.ts";
import { decideResume, oldestTimeUs } from "../resume.ts";
import type { Target } from "../rooms.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { positionFromWire } from "./join.ts";

/** Messages of a page when none are asked for. */
const LIMIT_DEFAULT = 50;
/** Bytes of envelopes in a page; many WebSocket libraries refuse messages above 1 MiB. */
export const HISTORY_PAGE_BYTES_MAX = 512 * 1024;

/** A page as decided: what to send. */
interface Page {
  readonly messages: readonly DurableMessage[];
  readonly hasMore: boolean;
  readonly recovered: boolean | undefined;
}

export function handleHistory(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  history: History,
): void {
  const { requestId } = history;
  answer(context, connection, identity, history).catch((error: unknown) => {
    const coded = CodedError.from(error);
    if (coded.code === "INTERNAL")
      context.connectionLog.error(connection, { error }, "history failed");
    context.sender.sendError(connection, requestId, coded);
  });
}

async function answer(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  history: History,
): Promise<void> {
  const target = findTarget(context, connection, identity, history);
  const refusal = refuseInFlight(connection, inFlightMax(context, identity));
  if (refusal !== null) throw refusal;
  connection.inFlightCount += 1;
  try {
    const page = await readShown(context, target, history);
    sendPage(context, connection, history.requestId, page);
  } finally {
    connection.inFlightCount -= 1;
  }
}

/**
 * @throws {CodedError} `NOT_JOINED`, `PERMISSION_DENIED`, `NOT_DURABLE`, `REQUEST_INVALID`,
 *   `ROOM_VERSION_REFUSED`.
 */
function findTarget(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  history: History,
): Target {
  if (history.requestId === 0 || history.target === undefined) {
    throw new CodedError("REQUEST_INVALID", "History needs a request_id and a room");
  }
  let target: Target;
  let name: string;
  if (history.target.$case === "room") {
    name = history.target.value;
    const gated = gatedRoom(context, connection, identity, name);
    if (gated.gate?.action === GateAction.REFUSE) {
      throw roomRefusal(connection, gated.gate, name);
    }
    target = gated.target;
  } else {
    const membership = findMembership(connection, history.target.value);
    if (membership === null) {
      throw new CodedError("NOT_JOINED", `room alias ${history.target.value} is not joined here`);
    }
    target = membership.room;
    name = membership.name;
  }
  if (!isPermitted(identity, Action.HISTORY, name, target.policy)) {
    const detail = `reading the history of ${JSON.stringify(name)} is not allowed by the token`;
    throw new CodedError("PERMISSION_DENIED", detail);
  }
  if (!target.policy.isDurable) {
    throw new CodedError("NOT_DURABLE", `${JSON.stringify(name)} is ephemeral, it has no history`);
  }
  return target;
}

/**
 * A page without void messages (R2). One that held nothing else is passed over, since its client
 * would have no message to go on from; such a run is as long as what slept in buffers.
 */
async function readShown(context: GatewayContext, target: Target, history: History): Promise<Page> {
  const wanted = history.limit === 0 ? LIMIT_DEFAULT : history.limit;
  const limit = Math.min(wanted, context.options.historyPageMax);
  let { cursor } = history;
  const isAfter = cursor?.$case === "after";
  let recovered: boolean | undefined;
  for (;;) {
    const page = await readPage(context, target, cursor, limit);
    recovered ??= page.recovered;
    const messages = page.messages.filter((message) => !isVoid(message, context.bus.publishLimits));
    const edge = isAfter ? page.messages.at(-1) : page.messages[0];
    if (messages.length > 0 || !page.hasMore || edge === undefined) {
      return { messages, hasMore: page.hasMore, recovered };
    }
    cursor = { $case: isAfter ? "after" : "before", value: wirePosition(edge) };
  }
}

async function readPage(
  context: GatewayContext,
  target: Target,
  cursor: History["cursor"],
  limit: number,
): Promise<Page> {
  const { address, policy } = target;
  const floor = await context.bus.floor(address, policy.historyCountMax);
  const oldestUs = oldestTimeUs(policy, context.clock.nowUs());
  const isInReach = (message: DurableMessage) =>
    message.timeUs >= oldestUs && (floor === null || comparePositions(message, floor) >= 0);
  if (cursor?.$case === "after") {
    const after = positionFromWire(cursor.value);
    return readAfter(context, target, after, floor, limit, isInReach);
  }
  const before = cursor === undefined ? null : positionFromWire(cursor.value);
  const read = await context.bus.readBefore(address, before, limit);
  const reached = read.messages.filter(isInReach);
  const fitting = takeFitting(reached.toReversed()).toReversed();
  const [oldest] = fitting;
  if (oldest === undefined) return { messages: [], hasMore: false, recovered: undefined };
  let hasMore = fitting.length < reached.length;
  if (!hasMore && read.hasMore) {
    // Stored, but still within reach?
    const next = await context.bus.readBefore(address, oldest, 1);
    hasMore = next.messages.some(isInReach);
  }
  return { messages: fitting, hasMore, recovered: undefined };
}

async function readAfter(
  context: GatewayContext,
  target: Target,
  after: Position,
  floor: Position | null,
  limit: number,
  isInReach: (message: DurableMessage) => boolean,
): Promise<Page> {
  const { address, policy } = target;
  const read = await context.bus.readAfter(address, after, limit);
  const head = await context.bus.head(address);
  const nowUs = context.clock.nowUs();
  const loss = decideResume({ after, read, head, floor, policy, nowUs });
  const found = loss === null ? read : await readOldest(context, target, limit, isInReach);
  const reached = found.messages.filter(isInReach);
  const fitting = takeFitting(reached);
  const hasMore = fitting.length < reached.length || !found.isEnd;
  return { messages: fitting, hasMore, recovered: loss === null };
}

/**
 * The oldest messages within reach; when the age of the class cuts off more than a page of those
 * within its count, the newest ones, so that the search costs two reads at most.
 */
async function readOldest(
  context: GatewayContext,
  { address, policy }: Target,
  limit: number,
  isInReach: (message: DurableMessage) => boolean,
): Promise<{ messages: readonly DurableMessage[]; isEnd: boolean }> {
  const beyondCount = Math.min(policy.historyCountMax + 1, HISTORY_COUNT_MAX);
  const edge = await context.bus.floor(address, beyondCount);
  const oldest = await context.bus.readAfter(address, edge, limit);
  if (oldest.isEnd || oldest.messages.some(isInReach)) return oldest;
  const newest = await context.bus.readBefore(address, null, limit);
  return { messages: newest.messages, isEnd: true };
}

/** As many as fit a page, at least one. */
function takeFitting(messages: readonly DurableMessage[]): DurableMessage[] {
  let bytes = 0;
  const fitting: DurableMessage[] = [];
  for (const message of messages) {
    bytes += message.envelope.length;
    if (fitting.length > 0 && bytes > HISTORY_PAGE_BYTES_MAX) break;
    fitting.push(message);
  }
  return fitting;
}

function sendPage(
  context: GatewayContext,
  connection: Connection,
  requestId: number,
  page: Page,
): void {
  const messages = page.messages.map((message) => ({
    roomAlias: 0,
    position: wirePosition(message),
    prevSeq: BigInt(message.prevSeq),
    envelope: Envelope.decode(message.envelope),
    traceparent: "",
    ephemeralSeq: 0n,
  }));
  const { hasMore, recovered } = page;
  const value = { requestId, messages, hasMore, recovered };
  context.sender.send(connection, encodeServerFrame({ $case: "historyPage", value }));
}
