/**
 * A changed version gate reaches the connections that are open: in slices, so that nobody waits for
 * it.
 */
import type { Unsubscribe } from "../../bus/bus.ts";
import type { Gate } from "../../proto/gates/compile-gate.ts";
import type { GateSubject } from "../../proto/gates/judge-client.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import { type Connection, MemberState, type Membership, Phase } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { inSlices, SLICE_MS } from "../flags/slices.ts";
import { describePolicy } from "../frames/join.ts";
import { endMembership } from "../frames/leave.ts";
import { memberMayPublish } from "../frames/publish.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { refuseBuild, tellMismatch, tellOver } from "./tell-client.ts";

/**
 * Applies each change to all that are open; call what it returns to end that.
 *
 * @param sliceMs for tests: 0 looks at one connection in a turn.
 */
export function followGates(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
  sliceMs: number = SLICE_MS,
): Unsubscribe {
  let isStale = false;
  let isRunning = false;
  let isOver = false;
  const run = async () => {
    // A change in the midst of a pass holds for the rest of it at once, and for all in the next.
    while (isStale && !isOver) {
      isStale = false;
      await inSlices(
        connections,
        (connection) => applyGates(context, connection),
        () => isOver,
        sliceMs,
      );
    }
  };
  context.gates.follow(() => {
    context.directory.forgetTargets();
    isStale = true;
    if (isRunning) return;
    isRunning = true;
    setImmediate(() => {
      run()
        .catch((error: unknown) => context.log.error({ error }, "version gates were not applied"))
        .finally(() => {
          isRunning = false;
        });
    });
  });
  return () => {
    isOver = true;
  };
}

/** Holds a connection to the gates as they are now, and tells it what is new. */
export function applyGates(context: GatewayContext, connection: Connection): void {
  const { identity, phase } = connection;
  if (identity === null || phase !== Phase.OPEN) return; // Hello is judged at its end
  const { gates } = context;
  const subject = gates.subjectOf(connection, identity);
  const gate = gates.present.ofConnection(subject);
  if (gate?.action === GateAction.REFUSE) {
    refuseBuild(context, connection, gate);
    return;
  }
  const before = connection.gate;
  setGate(connection, gate);
  tellChange(context, connection, before, gate, "");
  for (const membership of [...connection.memberships]) {
    applyToMembership(context, membership, subject);
  }
}

/** What holds for a connection from now on. */
export function setGate(connection: Connection, gate: Gate | null): void {
  connection.gate = gate;
  connection.isReadOnly = gate !== null && gate.action >= GateAction.READ_ONLY;
}

function applyToMembership(
  context: GatewayContext,
  membership: Membership,
  subject: GateSubject,
): void {
  const { connection, room, name } = membership;
  const { present } = context.gates;
  const { class: roomClass } = room.address;
  const gate = present.ofRoom(subject, roomClass);
  const place = present.placeOf(subject, roomClass, name);
  if (gate?.action === GateAction.REFUSE) {
    tellMismatch(context, connection, gate, name);
    endMembership(context, membership, 0, "ROOM_VERSION_REFUSED");
    return;
  }
  if (place.isForeign || place.room !== room.address.room) {
    const code = place.isForeign ? "ROOM_VERSION_REFUSED" : "ROOM_SEPARATED";
    endMembership(context, membership, 0, code);
    return;
  }
  const before = membership.gate;
  membership.gate = gate;
  const isKnown = membership.state !== MemberState.JOINING; // else Joined will say it
  if (isKnown) tellChange(context, connection, before, gate, name);
  const mayPublish = memberMayPublish(membership);
  if (mayPublish === membership.mayPublish) return;
  membership.mayPublish = mayPublish;
  if (!isKnown) return;
  const policy = describePolicy(room.policy, membership, context.bus.isCutOff);
  const value = { roomAlias: room.alias, policy };
  context.sender.send(connection, encodeServerFrame({ $case: "roomPolicyChanged", value }));
}

function tellChange(
  context: GatewayContext,
  connection: Connection,
  before: Gate | null,
  gate: Gate | null,
  room: string,
): void {
  if (before?.told === gate?.told) return;
  if (gate !== null) tellMismatch(context, connection, gate, room);
  else if (before !== null) tellOver(context, connection, before, room);
}
