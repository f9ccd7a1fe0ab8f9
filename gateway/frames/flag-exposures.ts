/**
 * FlagExposures: counted, never answered.
 */
import type { FlagExposures } from "../../proto/gen/tidegate/client/v1/flag.ts";
import type { Connection } from "../connection.ts";
import type { GatewayContext } from "../context.ts";

export function handleFlagExposures(
  { flags, clock }: GatewayContext,
  connection: Connection,
  { exposures }: FlagExposures,
): void {
  flags.exposures.take(connection, exposures, flags.state.flags, clock.nowUs() / 1000);
}
