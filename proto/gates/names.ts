/**
 * Names around version gates: their keys on the bus, their resource names, rooms of a set.
 *
 * Pure.
 */

/** KV keys of gates in the bucket "control" begin so. */
export const GATE_PREFIX = "gate.";
/** Gates of one installation: each Hello looks at all of them. */
export const GATE_COUNT_MAX = 100;

/** Whether it may name a gate: [a-z][a-z0-9-]{0,31}. */
export function isGateId(text: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}$/.test(text);
}

/** KV key of a gate's record. */
export function gateKey(gate: string): string {
  return `${GATE_PREFIX}${gate}`;
}

/** Resource name of a gate. */
export function gateName(gate: string): string {
  return `gates/${gate}`;
}

/** Whether it may name a set of builds: [a-z][a-z0-9-]{0,15}. */
export function isSetName(text: string): boolean {
  return /^[a-z][a-z0-9-]{0,15}$/.test(text);
}

/** The room of a set's builds beside the one that they name. */
export function siblingName(room: string, set: string): string {
  return `${room}~${set}`;
}
