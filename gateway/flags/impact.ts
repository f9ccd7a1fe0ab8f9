/**
 * Whom a change of a set would concern here: the open connections, by build.
 */
import { FlagEngine } from "../../proto/flags/flag-engine.ts";
import { parseFlagSet } from "../../proto/flags/parse-flag-set.ts";
import type {
  BuildImpact,
  FlagImpactAnswer,
  FlagImpactQuestion,
} from "../../proto/gen/tidegate/bus/v1/flag_question.ts";
import { type Connection, Phase } from "../connection.ts";
import { contextOf, type GatewayContext } from "../context.ts";
import { buildState, findChange, newOutcomes } from "./flag-state.ts";
import { inSlices } from "./slices.ts";

/** Builds of one answer; of more the last ones are not told. */
const BUILD_COUNT_MAX = 1000;

/** Evaluates all open connections with the flags as they are, and as they would be. */
export async function measureImpact(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
  { set: id, definition }: FlagImpactQuestion,
): Promise<FlagImpactAnswer> {
  const { flags } = context;
  const { set } = parseFlagSet(definition);
  const stored = set === null ? null : { parsed: set, versions: new Map<string, number>() };
  const engine = flags.engine ?? (await FlagEngine.load());
  const { state } = flags;
  const change = findChange(
    state,
    await buildState(engine, state, flags.book.mergedWith(id, stored)),
  );
  const builds = new Map<object, BuildImpact>();
  const look = (connection: Connection) => {
    const { identity, profile, phase } = connection;
    if (identity === null || profile === null || phase !== Phase.OPEN) return;
    const { build } = profile;
    let impact = builds.get(build);
    if (impact === undefined) {
      const { name: clientName, version: clientVersion, platform: clientPlatform } = build;
      const counts = { connectionCount: 0, affectedCount: 0 };
      impact = { clientName, clientVersion, clientPlatform, ...counts };
      if (builds.size < BUILD_COUNT_MAX) builds.set(build, impact);
    }
    impact.connectionCount += 1;
    const outcomes = newOutcomes(change, contextOf(context, connection, identity));
    if (outcomes === null || outcomes.length > 0) impact.affectedCount += 1;
  };
  await inSlices(connections, look, () => false);
  return { builds: [...builds.values()] };
}
