/**
 * Publish: one message into a room. Hot path; the payload is copied once, into its envelope, and
 * never decoded.
 */
import { encodeEnvelope } from "../../bus/envelope.ts";
import type { PublishLimits } from "../../bus/void.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { PublishPermission } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { isPermitted } from "../auth/permission.ts";
import { type Connection, findMembership, type Membership, refuseInFlight } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { gatedRoom, leavesPublishing } from "../gates/gated-room.ts";
import { readOnlyRefusal } from "../gates/tell-client.ts";
import { Action, type Identity } from "../identity.ts";
import { LimitError } from "../limit-error.ts";
import type { ClassMeter } from "../metrics/message-meter.ts";
import type { PublishScan } from "../publish-scan.ts";
import { inFlightMax } from "../rates/in-force.ts";
import type { Target } from "../rooms.ts";
import { encodePublishAck } from "../server-frames.ts";

/**
 * Handles a scanned publish; `frame` is valid during the call only.
 *
 * @param limited what the frame is refused with, once its room is known; null when it is not.
 */
export function handlePublish(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  scan: PublishScan,
  frame: Uint8Array,
  limited: LimitError | null,
): void {
  let target: Target | null = null;
  try {
    target = findTarget(context, connection, identity, scan);
    checkPayload(target, scan);
    const refusal = limited ?? context.guards.rates.takePublish(connection, identity, target);
    if (refusal !== null) refuseLimited(context, connection, identity, target, scan, refusal);
    else if (target.policy.isDurable)
      publishDurable(context, connection, identity, target, scan, frame);
    else publishEphemeral(context, connection, identity, target, scan, frame);
  } catch (error) {
    const room = nameOf(connection, scan);
    const coded = CodedError.from(error);
    const traceId = recordRefusal(context, connection, target, scan, coded);
    if (coded.code === "INTERNAL") {
      const fields = { error, room, ...(traceId !== "" && { trace_id: traceId }) };
      context.connectionLog.error(connection, fields, "publish failed");
    }
    context.sender.sendError(connection, scan.requestId, coded, room, traceId);
  }
}

/** Errors are traced whatever the ratio. @returns the id of the trace, or "". */
function recordRefusal(
  { traces }: GatewayContext,
  connection: Connection,
  target: Target | null,
  scan: PublishScan,
  error: CodedError,
): string {
  const { traceparent } = scan;
  const room = nameOf(connection, scan);
  return traces.recordRefusal(
    { connection, room, address: target?.address ?? null, traceparent },
    error,
  );
}

/**
 * @throws {CodedError} `NOT_JOINED`, `PERMISSION_DENIED`, `VERSION_READ_ONLY`,
 *   `ROOM_VERSION_REFUSED`, `ROOM_NAME_INVALID`, `ROOM_CLASS_UNKNOWN`.
 */
function findTarget(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  scan: PublishScan,
): Target {
  if (scan.room === null) {
    const membership = findMembership(connection, scan.roomAlias);
    if (membership === null) {
      throw new CodedError("NOT_JOINED", `room alias ${scan.roomAlias} is not joined here`);
    }
    if (!membership.mayPublish) throw whyNot(connection, identity, membership);
    return membership.room;
  }
  if (connection.isReadOnly) throw readOnlyRefusal(connection, connection.gate);
  const { target, gate } = gatedRoom(context, connection, identity, scan.room);
  const isMember = connection.memberships.some(
    (membership) => membership.room.address.token === target.address.token,
  );
  if (!mayPublish(identity, target, scan.room, isMember)) throw refusal(scan.room);
  if (!leavesPublishing(gate)) throw readOnlyRefusal(connection, gate);
  return target;
}

/** The room as the client calls it. */
function nameOf(connection: Connection, scan: PublishScan): string {
  return scan.room ?? findMembership(connection, scan.roomAlias)?.name ?? "";
}

/** @throws {CodedError} `PAYLOAD_TOO_LARGE`. */
function checkPayload({ policy, address }: Target, scan: PublishScan): void {
  const max = policy.payloadBytesMax;
  const bytes = scan.payloadEnd - scan.payloadStart;
  if (max === 0 || bytes <= max) return;
  const detail = `the payload has ${bytes} bytes, rooms of the class "${address.class}" take ${max}`;
  throw new LimitError("PAYLOAD_TOO_LARGE", "payload-bytes", max, detail);
}

/**
 * A publish above a rate. In a durable room later ones wait until it has come again (R3).
 */
function refuseLimited(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  target: Target,
  scan: PublishScan,
  refusal: LimitError,
): void {
  const { address, policy } = target;
  const { requestId, producerSeq, firstSentUs } = scan;
  if (policy.isDurable) {
    checkDurable(connection, scan, context.clock.nowUs(), context.bus.publishLimits);
    const { publisher } = context;
    publisher.refuse(connection, requestId, address, producerSeq, firstSentUs, refusal);
  } else {
    const traceId = recordRefusal(context, connection, target, scan, refusal);
    const room = nameOf(connection, scan);
    context.sender.sendError(connection, requestId, refusal, room, traceId);
  }
  context.guards.abuse.note(connection, identity, refusal);
}

/** Whether a member may publish: by its capability, the class, and version gates. */
export function memberMayPublish({ connection, room, name, gate }: Membership): boolean {
  const { identity, isReadOnly } = connection;
  if (identity === null || isReadOnly || !leavesPublishing(gate)) return false;
  return mayPublish(identity, room, name, true);
}

/** Whether capability and class let this identity publish. @param name as the client says it. */
function mayPublish(identity: Identity, target: Target, name: string, isMember: boolean): boolean {
  const { publishPermission } = target.policy;
  if (publishPermission === PublishPermission.BACKEND) return false;
  if (publishPermission === PublishPermission.MEMBERS && !isMember) return false;
  return isPermitted(identity, Action.PUBLISH, name, target.policy);
}

/** Why a member may not publish: only one that a version gate stops is to update its client. */
function whyNot(connection: Connection, identity: Identity, membership: Membership): CodedError {
  const { room, name, gate } = membership;
  if (!mayPublish(identity, room, name, true)) return refusal(name);
  return readOnlyRefusal(connection, connection.isReadOnly ? connection.gate : gate);
}

function publishEphemeral(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  target: Target,
  scan: PublishScan,
  frame: Uint8Array,
): void {
  context.guards.overload.admitEphemeral(identity);
  const nowUs = context.clock.nowUs();
  const { producerSeq, payloadStart, payloadEnd } = scan;
  const ageUs = nowUs - scan.firstSentUs;
  const { futureUs, budgetUs } = context.bus.publishLimits;
  const isPlausible = ageUs >= -futureUs && ageUs <= budgetUs;
  const firstSentUs = isPlausible ? scan.firstSentUs : nowUs;
  const trace = context.traces.beginPublish(connection, identity, target.address, scan);
  const envelope = encodeEnvelope(
    { firstSentUs, user: identity.user, producer: connection.producer, producerSeq },
    frame,
    payloadStart,
    payloadEnd,
    trace === null ? "" : trace.traceparent,
  );
  if (trace !== null) trace.tried(envelope.length);
  const { requestId } = scan;
  const meter = countIngress(context, target, envelope, nowUs - firstSentUs);
  context.bus.publish(target.address, envelope); // if it throws, that is what is recorded
  meter.takePublished(envelope.length);
  context.traffic.countEphemeral();
  const traceId = trace === null ? "" : trace.traceId;
  if (requestId > 0) {
    context.sender.sendAck(connection, encodePublishAck(requestId, null, false, traceId));
  }
  if (trace !== null) trace.sent(null);
}

function publishDurable(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  target: Target,
  scan: PublishScan,
  frame: Uint8Array,
): void {
  const { requestId, producerSeq, firstSentUs } = scan;
  const { publisher, traffic } = context;
  const nowUs = context.clock.nowUs();
  checkDurable(connection, scan, nowUs, context.bus.publishLimits);
  const refusal = refuseInFlight(connection, inFlightMax(context, identity));
  if (refusal !== null) {
    publisher.refuse(connection, requestId, target.address, producerSeq, firstSentUs, refusal);
    return;
  }
  const bytesMax = context.limits.rates(identity.tenant).storedBytes;
  const payloadBytes = scan.payloadEnd - scan.payloadStart;
  if (bytesMax > 0) context.guards.stored.take(identity.tenant, bytesMax, payloadBytes);
  const { address } = target;
  const trace = context.traces.beginPublish(connection, identity, address, scan);
  const envelope = encodeEnvelope(
    { firstSentUs, user: identity.user, producer: connection.producer, producerSeq },
    frame,
    scan.payloadStart,
    scan.payloadEnd,
    trace === null ? "" : trace.traceparent,
  );
  countIngress(context, target, envelope, nowUs - firstSentUs);
  traffic.countDurable(address.slot, envelope.length);
  publisher.submit(connection, requestId, address, producerSeq, firstSentUs, envelope, trace);
}

/** Counts a message that is taken; some are timed from the client's first try. */
function countIngress(
  { meters }: GatewayContext,
  { address }: Target,
  envelope: Uint8Array,
  ageUs: number,
): ClassMeter {
  const meter = meters.messages.of(address.class);
  meter.takeIngress(envelope.length);
  const { ingress } = meters.messages;
  if (ingress.isTurn()) ingress.record(ageUs);
  return meter;
}

/** @throws {CodedError} `REQUEST_INVALID`, `OUTCOME_UNKNOWN`. */
function checkDurable(
  connection: Connection,
  scan: PublishScan,
  nowUs: number,
  { futureUs, budgetUs }: PublishLimits,
): void {
  const { requestId, producerSeq, firstSentUs } = scan;
  if (requestId === 0) {
    throw new CodedError("REQUEST_INVALID", "request_id must be 1 or more in durable rooms");
  }
  if (connection.producer === "") {
    throw new CodedError("REQUEST_INVALID", "Hello had no producer_key; durable rooms need one");
  }
  if (producerSeq < 1) {
    throw new CodedError("REQUEST_INVALID", "producer_seq must count 1, 2, 3 … in durable rooms");
  }
  const ageUs = nowUs - firstSentUs;
  if (firstSentUs <= 0 || ageUs < -futureUs) {
    const detail = `first_sent_us is ${firstSentUs}, server time is ${nowUs}; set it from Welcome`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
  if (ageUs > budgetUs) {
    const detail = `first sent ${(ageUs / 1e6).toFixed(1)} s ago, the budget is ${budgetUs / 1e6} s`;
    throw new CodedError("OUTCOME_UNKNOWN", detail);
  }
}

function refusal(room: string): CodedError {
  const detail = `publishing to ${JSON.stringify(room)} is not allowed by token or class`;
  return new CodedError("PERMISSION_DENIED", detail);
}
