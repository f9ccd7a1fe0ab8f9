/**
 * Join: become a member of rooms, fresh, with some history, or resuming after a position.
 */
import type { DurableMessage } from "../../bus/bus.ts";
import type { Position } from "../../bus/position.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { JournalAct } from "../../proto/gen/tidegate/bus/v1/journal.ts";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import type { Join, JoinRoom, RoomPolicy } from "../../proto/gen/tidegate/client/v1/room.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import type { ClassPolicy } from "../../proto/room-class.ts";
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import { isPermitted } from "../auth/permission.ts";
import { type Connection, MemberState, type Membership, removeMembership } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { justBefore, wirePosition } from "../fanout.ts";
import { gatedRoom } from "../gates/gated-room.ts";
import { roomRefusal, tellMismatch } from "../gates/tell-client.ts";
import { Action, type Identity } from "../identity.ts";
import { decideResume, oldestTimeUs } from "../resume.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { RequestTrace, traced } from "../tracing/request-trace.ts";
import { memberMayPublish } from "./publish.ts";

/** Rooms of one Join frame. */
export const JOIN_ROOMS_MAX = 256;
/** Messages of history that a join can ask for. */
export const JOIN_HISTORY_MAX = 500;

/** Answers every room of the frame by its own Joined or ErrorFrame. */
export function handleJoin(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  join: Join,
): void {
  const { requestId, rooms } = join;
  if (rooms.length === 0 || rooms.length > JOIN_ROOMS_MAX || requestId === 0) {
    const detail = `Join needs a request_id and 1 to ${JOIN_ROOMS_MAX} rooms, has ${rooms.length}`;
    context.sender.sendError(connection, requestId, new CodedError("REQUEST_INVALID", detail));
    return;
  }
  for (const wanted of rooms) {
    const inTrace = {};
    joinRoom(context, connection, identity, requestId, wanted, inTrace).catch((error: unknown) => {
      const coded = CodedError.from(error);
      if (coded.code === "INTERNAL") {
        const fields = { error, room: wanted.room, ...inTrace };
        context.connectionLog.error(connection, fields, "join failed");
      }
      context.journal.refused(connection, identity, JournalAct.JOIN, wanted.room, coded);
      context.sender.sendError(connection, requestId, coded, wanted.room);
    });
  }
}

/** @param inTrace is given the id of the trace when the join fails: for the log. */
async function joinRoom(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  requestId: number,
  wanted: JoinRoom,
  inTrace: object,
): Promise<void> {
  const membership = admit(context, connection, identity, wanted);
  const { room } = membership;
  const trace = RequestTrace.join(context, connection, identity, room);
  let isBroken = false;
  try {
    const entering = context.seats.enter(membership, trace.span);
    if (entering !== null) await entering;
    isBroken = true;
    await room.ready;
    isBroken = false;
    if (!isStillJoining(membership)) return;
    if (!room.policy.isDurable) joinEphemeral(context, membership, requestId, wanted);
    else await joinDurable(context, membership, requestId, wanted, trace.span);
    trace.end(connection);
  } catch (error) {
    Object.assign(inTrace, trace.fail(connection, error));
    if (membership.state !== MemberState.LEFT) {
      context.seats.leave(connection, room.address.token);
      removeMembership(membership);
      context.rooms.release(room, isBroken);
    }
    throw error;
  }
}

/**
 * Whether to go on after an await; not when the client is gone.
 *
 * @throws {CodedError} why the gateway has ended it meanwhile, e.g. `ROOM_CLASS_UNKNOWN` when the
 *   class was deleted.
 */
function isStillJoining({ state, connection, name, endCode }: Membership): boolean {
  if (state === MemberState.JOINING) return true;
  if (connection.socket === null) return false;
  const detail = `what decides about ${JSON.stringify(name)} was changed during the join`;
  throw new CodedError(endCode ?? "ROOM_CLASS_UNKNOWN", detail);
}

/** @throws {CodedError} when name, class, capability, version gate or limit forbid it. */
function admit(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  wanted: JoinRoom,
): Membership {
  const { target, gate } = gatedRoom(context, connection, identity, wanted.room);
  if (!isPermitted(identity, Action.JOIN, wanted.room, target.policy)) {
    const detail = `joining ${JSON.stringify(wanted.room)} is not allowed by the token`;
    throw new CodedError("PERMISSION_DENIED", detail);
  }
  if (wanted.history > 0 && target.policy.isDurable) {
    if (!isPermitted(identity, Action.HISTORY, wanted.room, target.policy)) {
      const detail = `reading the history of ${JSON.stringify(wanted.room)} is not allowed by the token`;
      throw new CodedError("PERMISSION_DENIED", `${detail}; join with history 0`);
    }
  }
  if (gate?.action === GateAction.REFUSE) {
    tellMismatch(context, connection, gate, wanted.room);
    context.gates.refusedCount += 1;
    context.meters.clients.gates.refuse += 1;
    throw roomRefusal(connection, gate, wanted.room);
  }
  const { memberships } = connection;
  if (memberships.some((each) => each.room.address.token === target.address.token)) {
    throw new CodedError("ALREADY_JOINED", `${JSON.stringify(wanted.room)} is joined already`);
  }
  if (memberships.length >= context.options.roomCountMax) {
    const detail = `the connection holds ${memberships.length} rooms, the limit; leave one first`;
    throw new CodedError("ROOM_LIMIT", detail);
  }
  const room = context.rooms.acquire(target);
  const membership: Membership = {
    room,
    connection,
    name: wanted.room,
    state: MemberState.JOINING,
    endCode: null,
    gate,
    mayPublish: false,
    sent: null,
    lostAfter: null,
    lossCount: room.lossCount,
    countAtLag: 0,
  };
  membership.mayPublish = memberMayPublish(membership);
  memberships.push(membership);
  return membership;
}

function joinEphemeral(
  context: GatewayContext,
  membership: Membership,
  requestId: number,
  wanted: JoinRoom,
): void {
  const loss = wanted.after === undefined ? null : GapReason.EPHEMERAL;
  sendJoined(context, membership, requestId, null, loss);
  context.journal.joined(membership, null, null, loss);
  const { connection, room } = membership;
  if (connection.isLagging || context.sender.isHolding(connection)) {
    membership.state = MemberState.LAGGING;
    membership.countAtLag = room.ephemeralCount;
    return;
  }
  membership.state = MemberState.LIVE;
  connection.socket?.subscribe(room.topic);
}

async function joinDurable(
  context: GatewayContext,
  membership: Membership,
  requestId: number,
  wanted: JoinRoom,
  trace: OpenSpan | null,
): Promise<void> {
  const { room } = membership;
  const after = readPosition(wanted);
  let loss: GapReason | null = null;
  let first: readonly DurableMessage[] = [];
  if (after !== null) {
    await traced(trace, "resume.check", async (span) => {
      const { read, floor } = await context.resumeReads.read(room, after);
      const { place: head, policy } = room;
      loss = decideResume({ after, read, head, floor, policy, nowUs: context.clock.nowUs() });
      span?.set("tidegate.resume.recovered", loss === null);
      if (loss !== null) return;
      membership.sent = after;
      first = read.messages;
    });
  }
  const isFresh = after === null || loss !== null;
  if (isFresh && wanted.history > 0) first = await readNewest(context, membership, wanted.history);
  if (!isStillJoining(membership)) return;
  // Without history to show, a fresh member starts at the room's place, in this very turn.
  if (isFresh && first.length === 0) membership.sent = room.place;
  sendJoined(context, membership, requestId, after, loss);
  const [oldest] = isFresh ? first : [];
  const from = oldest === undefined ? membership.sent : justBefore(oldest);
  context.journal.joined(membership, from, after, loss);
  context.catchUp.start(membership, first);
}

/** The newest messages within count and age of the class. */
async function readNewest(
  context: GatewayContext,
  membership: Membership,
  wantedCount: number,
): Promise<readonly DurableMessage[]> {
  const { room } = membership;
  const limit = Math.min(wantedCount, JOIN_HISTORY_MAX, room.policy.historyCountMax);
  const { messages } = await context.bus.readBefore(room.address, null, limit);
  const oldestUs = oldestTimeUs(room.policy, context.clock.nowUs());
  return messages.filter((message) => message.timeUs >= oldestUs);
}

function sendJoined(
  context: GatewayContext,
  membership: Membership,
  requestId: number,
  after: Position | null,
  loss: GapReason | null,
): void {
  const { room, connection } = membership;
  const isResume = after !== null || loss !== null;
  room.meter.joinCount += 1;
  if (isResume) context.meters.clients.resumes[`${loss === null}`] += 1;
  const value = {
    requestId,
    room: membership.name,
    roomAlias: room.alias,
    head: room.place === null ? undefined : wirePosition(room.place),
    recovered: isResume ? loss === null : undefined,
    loss: loss ?? GapReason.UNSPECIFIED,
    policy: describePolicy(room.policy, membership, context.bus.isCutOff),
    sibling: room.address.room === membership.name ? "" : room.address.room,
  };
  context.sender.send(connection, encodeServerFrame({ $case: "joined", value }));
  const { gate, name } = membership;
  if (gate !== null) tellMismatch(context, connection, gate, name);
}

/** The policy as this member sees it. */
export function describePolicy(
  policy: ClassPolicy,
  membership: Membership,
  isCutOff: boolean,
): RoomPolicy {
  const { identity } = membership.connection;
  const { name } = membership;
  const mayRead = identity !== null && isPermitted(identity, Action.HISTORY, name, policy);
  return {
    durable: policy.isDurable,
    mayPublish: membership.mayPublish,
    mayReadHistory: policy.isDurable && mayRead,
    historyCountMax: policy.historyCountMax,
    historyAgeMaxS: policy.historyAgeMaxS,
    degraded: isCutOff,
    memberCountMax: policy.memberCountMax,
    roomPublishesPerSecondMax: policy.roomPublishesPerSecondMax,
    classPublishesPerSecondMax: policy.classPublishesPerSecondMax,
    payloadBytesMax: policy.payloadBytesMax,
  };
}

/** A wire position as a number triple; one that no store can hold is kept as one that none has. */
export function positionFromWire(wire: { epoch: number; seq: bigint; timeUs: bigint }): Position {
  return { epoch: wire.epoch, seq: Number(wire.seq), timeUs: Number(wire.timeUs) };
}

function readPosition(wanted: JoinRoom): Position | null {
  return wanted.after === undefined ? null : positionFromWire(wanted.after);
}
