/**
 * Orders to one gateway about its clients, and what it answers.
 */
import type { Bus } from "../../bus/bus.ts";
import { DrainOrder, DrainReport } from "../../proto/gen/tidegate/bus/v1/drain.ts";

/** A gateway that does not answer within this is asked again later, ms. */
const ANSWER_MS_MAX = 3000;

/**
 * Gives an order.
 *
 * @throws {CodedError} `NOT_FOUND`: its process has ended; `UNAVAILABLE`; what it refused with.
 */
export async function askGateway(
  bus: Pick<Bus, "ask">,
  id: string,
  order: NonNullable<DrainOrder["order"]>,
): Promise<DrainReport> {
  const body = DrainOrder.encode({ order }).finish();
  return DrainReport.decode(await bus.ask(id, "drain", body, ANSWER_MS_MAX));
}
