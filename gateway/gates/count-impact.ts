/**
 * Whom a change of a version gate would concern here: counted by the questions that applying it
 * would ask, so that a dry run tells what would happen.
 *
 * In slices, as the change itself.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { CodedError } from "../../proto/coded-error.ts";
import { type Gate, readGate } from "../../proto/gates/compile-gate.ts";
import type { GateSubject } from "../../proto/gates/judge-client.ts";
import { GATE_PREFIX } from "../../proto/gates/names.ts";
import type {
  GateImpactAnswer,
  GateImpactQuestion,
  GateImpactRow,
} from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import { type Connection, Phase } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import type { GateList } from "./gates.ts";

/** Connections and memberships looked at in one turn of the loop, twice each: below 5 ms. */
const SLICE_COUNT = 500;
/** Builds of an answer: some 30 kB. Those of fewer connections are in the sum alone. */
const ROW_COUNT_MAX = 200;
/** Builds that are told apart while counting; beyond it further ones are in the sum alone. */
const BUILD_COUNT_MAX = 5000;

/** How a connection stands under a list of gates. */
interface Standing {
  /** The strictest of connection and rooms. */
  readonly action: GateAction;
  /** What it is told, of itself and of each room. */
  readonly told: string;
  /** Rooms it is in, in the order of its memberships. */
  readonly rooms: string;
}

/**
 * Counts.
 *
 * @throws {CodedError} `REQUEST_INVALID` for a record that this gateway would refuse.
 */
export async function countImpact(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
  { key, value }: GateImpactQuestion,
): Promise<GateImpactAnswer> {
  const gate = value.length === 0 ? null : readGate(key, value);
  if (typeof gate === "string") throw new CodedError("REQUEST_INVALID", gate);
  const { present } = context.gates;
  const tried = present.with(key.slice(GATE_PREFIX.length), gate);
  const rows = new Map<string, GateImpactRow>();
  let connectionCount = 0;
  let affectedCount = 0;
  let looked = 0;
  for (const connection of connections) {
    if (looked >= SLICE_COUNT) {
      await nextTurn();
      looked = 0;
    }
    const { identity, phase } = connection;
    if (identity === null || phase !== Phase.OPEN) continue;
    looked += 1 + connection.memberships.length;
    connectionCount += 1;
    const subject = context.gates.subjectOf(connection, identity);
    const before = standingOf(present, connection, subject);
    const after = standingOf(tried, connection, subject);
    const moved = before.rooms !== after.rooms;
    if (before.told === after.told && !moved) continue;
    affectedCount += 1;
    addRow(rows, subject, before.action, after.action, moved);
  }
  const sorted = [...rows.values()].sort((a, b) => b.connectionCount - a.connectionCount);
  return { connectionCount, affectedCount, rows: sorted.slice(0, ROW_COUNT_MAX) };
}

function standingOf(gates: GateList, connection: Connection, subject: GateSubject): Standing {
  const told: (Gate | null)[] = [gates.ofConnection(subject)];
  const rooms: string[] = [];
  let isForeign = false;
  for (const { room, name } of gates.isAboutRooms ? connection.memberships : []) {
    const { class: roomClass } = room.address;
    const place = gates.placeOf(subject, roomClass, name);
    isForeign ||= place.isForeign;
    rooms.push(place.room);
    told.push(gates.ofRoom(subject, roomClass));
  }
  for (const { name } of gates.isAboutRooms ? [] : connection.memberships) {
    rooms.push(name);
    told.push(null);
  }
  const actions = told.map((gate) => gate?.action ?? GateAction.ALLOW);
  const action = Math.max(...actions, isForeign ? GateAction.REFUSE : 0) as GateAction;
  return {
    action,
    told: `${isForeign} ${told.map((gate) => gate?.told ?? "").join("\n")}`,
    rooms: rooms.join("\n"),
  };
}

function addRow(
  rows: Map<string, GateImpactRow>,
  { build: { name: client, version, platform } }: GateSubject,
  before: GateAction,
  after: GateAction,
  moved: boolean,
): void {
  const key = JSON.stringify([client, version, platform, before, after, moved]);
  const known = rows.get(key);
  if (known !== undefined) known.connectionCount += 1;
  else if (rows.size < BUILD_COUNT_MAX) {
    rows.set(key, { client, version, platform, before, after, moved, connectionCount: 1 });
  }
}
