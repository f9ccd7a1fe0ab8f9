/**
 * Gateways' counts, put together.
 *
 * Pure.
 */
import type {
  GateImpactAnswer,
  GateImpactRow,
} from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type { VersionGateImpact } from "../../proto/gen/tidegate/control/v1/version_gate_service.ts";

/** Builds of an answer; those of fewer connections are told as a sum. */
export const IMPACT_BUILD_COUNT_MAX = 100;
/** Builds that are held while gateways answer: each has at most 200; beyond it they are a sum. */
const HELD_COUNT_MAX = 10_000;

/** What was counted up to now. */
export interface ImpactCount {
  connectionCount: number;
  affectedCount: number;
  readonly rows: Map<string, GateImpactRow>;
}

/** Nothing is counted yet. */
export function newCount(): ImpactCount {
  return { connectionCount: 0, affectedCount: 0, rows: new Map() };
}

/** Adds what one gateway counted. */
export function addAnswer(count: ImpactCount, answer: GateImpactAnswer): void {
  count.connectionCount += answer.connectionCount;
  count.affectedCount += answer.affectedCount;
  for (const row of answer.rows) {
    const { client, version, platform, before, after, moved } = row;
    const key = JSON.stringify([client, version, platform, before, after, moved]);
    const known = count.rows.get(key);
    if (known !== undefined) known.connectionCount += row.connectionCount;
    else if (count.rows.size < HELD_COUNT_MAX) count.rows.set(key, { ...row });
  }
}

/** The whole, without those who were silent. */
export function impactOf(count: ImpactCount): Omit<VersionGateImpact, "silentGateways"> {
  const rows = [...count.rows.values()].sort((a, b) => b.connectionCount - a.connectionCount);
  const builds = rows
    .slice(0, IMPACT_BUILD_COUNT_MAX)
    .map((row) => ({ ...row, connectionCount: BigInt(row.connectionCount) }));
  const listed = builds.reduce((sum, { connectionCount }) => sum + connectionCount, 0n);
  const affectedCount = BigInt(count.affectedCount);
  return {
    connectionCount: BigInt(count.connectionCount),
    affectedCount,
    builds,
    otherCount: affectedCount - listed,
  };
}
