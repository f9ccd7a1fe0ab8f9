/**
 * Puts the gateway's flags to work: for clients, for itself, and for who asks about them.
 */
import type { Unsubscribe } from "../../bus/bus.ts";
import {
  ExposuresAnswer,
  FlagImpactAnswer,
  FlagImpactQuestion,
} from "../../proto/gen/tidegate/bus/v1/flag_question.ts";
import type { Connection } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { measureImpact } from "./impact.ts";
import { SystemFlags } from "./system-flags.ts";

/** Once the gateway listens; ends with what it returns. */
export function startFlags(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
): Unsubscribe {
  const { bus, flags, log } = context;
  const system = new SystemFlags(context);
  flags.follow(
    (state) => {
      context.traces.ratios.take(state);
      system.take(state).catch((error: unknown) => {
        log.error({ error }, "flags of the system were not read; what was in force stays");
      });
    },
    (isStale) => system.tellStale(isStale),
  );
  flags.start(context, connections);
  const stops = [
    bus.answer("exposures", () => {
      const counts = flags.exposures.list().map(({ count, ...of }) => ({
        ...of,
        count: BigInt(count),
      }));
      return ExposuresAnswer.encode({ counts }).finish();
    }),
    bus.answer("flag-impact", async (body) => {
      const impact = await measureImpact(context, connections, FlagImpactQuestion.decode(body));
      return FlagImpactAnswer.encode(impact).finish();
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    flags.close();
  };
}
