/**
 * A changed version gate reaches the connections that are open: in bounded slices, so that nobody
 * waits for it.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Unsubscribe } from "../../bus/bus.ts";
import type { Gate } from "../../proto/gates/compile-gate.ts";
import type { GateSubject } from "../../proto/gates/judge-client.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import { type Connection, MemberState, type Membership, Phase } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { describePolicy } from "../frames/join.ts";
import { endMembership } from "../frames/leave.ts";
import { memberMayPublish } from "../frames/publish.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { refuseBuild, tellMismatch, tellOver } from "./tell-client.ts";

/**
 * Work of one turn of the loop, in looks at a connection or membership, of some microseconds each:
 * so a turn stays below 5 ms on a busy machine, also when all are closed.
 */
export const SLICE_COUNT = 200;
/** What a frame to a client costs, and its close, in looks: they are system calls. */
const FRAME_LOOKS = 3;
const CLOSE_LOOKS = 15;

/** Applies each change to all that are open; call what it returns to end that. */
export function followGates(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
): Unsubscribe {
  let isStale = false;
  let isRunning = false;
  let isOver = false;
  const run = async () => {
    // A change in the midst of a pass holds for the rest of it at once, and for all in the next.
    let count = 0;
    while (isStale && !isOver) {
      isStale = false;
      for (const connection of connections) {
        if (count >= SLICE_COUNT) {
          await nextTurn();
          count = 0;
        }
        if (isOver) return;
        count += applyGates(context, connection);
      }
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

/**
 * Holds a connection to the gates as they are now, and tells it what is new.
 *
 * @returns what it cost, in looks.
 */
export function applyGates(context: GatewayContext, connection: Connection): number {
  const { identity, phase } = connection;
  if (identity === null || phase !== Phase.OPEN) return 1; // Hello is judged at its end
  const { gates } = context;
  const subject = gates.subjectOf(connection, identity);
  const gate = gates.present.ofConnection(subject);
  if (gate?.action === GateAction.REFUSE) {
    refuseBuild(context, connection, gate);
    return 1 + CLOSE_LOOKS;
  }
  const before = connection.gate;
  setGate(connection, gate);
  let frameCount = tellChange(context, connection, before, gate, "");
  const memberships = [...connection.memberships];
  for (const membership of memberships) {
    frameCount += applyToMembership(context, membership, subject);
  }
  return 1 + memberships.length + frameCount * FRAME_LOOKS;
}

/** What holds for a connection from now on. */
export function setGate(connection: Connection, gate: Gate | null): void {
  connection.gate = gate;
  connection.isReadOnly = gate !== null && gate.action >= GateAction.READ_ONLY;
}

/** @returns frames that it told the member. */
function applyToMembership(
  context: GatewayContext,
  membership: Membership,
  subject: GateSubject,
): number {
  const { connection, room, name } = membership;
  const { present } = context.gates;
  const { class: roomClass } = room.address;
  const gate = present.ofRoom(subject, roomClass);
  const place = present.placeOf(subject, roomClass, name);
  if (gate?.action === GateAction.REFUSE) {
    tellMismatch(context, connection, gate, name);
    endMembership(context, membership, 0, "ROOM_VERSION_REFUSED");
    return 2;
  }
  if (place.isForeign || place.room !== room.address.room) {
    const code = place.isForeign ? "ROOM_VERSION_REFUSED" : "ROOM_SEPARATED";
    endMembership(context, membership, 0, code);
    return 1;
  }
  const before = membership.gate;
  membership.gate = gate;
  const isKnown = membership.state !== MemberState.JOINING; // else Joined will say it
  const toldCount = isKnown ? tellChange(context, connection, before, gate, name) : 0;
  const mayPublish = memberMayPublish(membership);
  if (mayPublish === membership.mayPublish) return toldCount;
  membership.mayPublish = mayPublish;
  if (!isKnown) return 0;
  const policy = describePolicy(room.policy, membership, context.bus.isCutOff);
  const value = { roomAlias: room.alias, policy };
  context.sender.send(connection, encodeServerFrame({ $case: "roomPolicyChanged", value }));
  return toldCount + 1;
}

function tellChange(
  context: GatewayContext,
  connection: Connection,
  before: Gate | null,
  gate: Gate | null,
  room: string,
): number {
  if (before?.told === gate?.told) return 0;
  if (gate !== null) tellMismatch(context, connection, gate, room);
  else if (before !== null) tellOver(context, connection, before, room);
  return 1;
}
