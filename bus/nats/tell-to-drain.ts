/**
 * R10: the word to a gateway that did not acknowledge three times, that its clients are to go.
 *
 * The same question of kind "drain" that a control plane asks (gateway/drain/orders.ts); how long
 * it takes is the gateway's own setting.
 */
import { DrainOrder } from "../../proto/gen/tidegate/bus/v1/drain.ts";
import type { Bus } from "../bus.ts";
import type { Troubles } from "./troubles.ts";

/** Name of such a drain, in reports and /health. */
export const SILENT_DRAIN = "does-not-acknowledge";
/** An answer that takes longer is not waited for, ms. */
const ANSWER_MS_MAX = 2000;

/** Sends it, and notes what came of it. Never fails: the gateway's lease is taken away as well. */
export async function tellToDrain(
  { ask, troubles }: { readonly ask: Bus["ask"]; readonly troubles: Troubles },
  id: string,
): Promise<void> {
  const times = { announceMs: 0, deadlineMs: 0, connectionsPerSecondMax: 0 };
  const value = { drain: SILENT_DRAIN, ...times };
  const body = DrainOrder.encode({ order: { $case: "start", value } }).finish();
  const answer = await ask(id, "drain", body, ANSWER_MS_MAX).then(
    () => "heard",
    (error: unknown) => `not heard, as far as is known: ${String(error)}`,
  );
  troubles.note("gateway_shut_out", () => ({ gateway: id, drain: answer }));
}
