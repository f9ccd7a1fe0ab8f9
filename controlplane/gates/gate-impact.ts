/**
 * How many of the connections that are open now a change of a gate would concern: asked of all
 * gateways, which count by the code that would apply it.
 */
import type { Bus } from "../../bus/bus.ts";
import { gateKey } from "../../proto/gates/names.ts";
import {
  GateImpactAnswer,
  GateImpactQuestion,
} from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type { VersionGateImpact } from "../../proto/gen/tidegate/control/v1/version_gate_service.ts";
import { askGateways, gatewayIds } from "../ask-gateways.ts";
import { addAnswer, impactOf, newCount } from "./merge-impact.ts";

/**
 * Asks every gateway.
 *
 * @param value the gate's record as it would be; null: deleted.
 * @throws {CodedError} `UNAVAILABLE` when it can not be read who there is.
 */
export async function askImpact(
  bus: Bus,
  id: string,
  value: Uint8Array | null,
): Promise<VersionGateImpact> {
  const question = { key: gateKey(id), value: Buffer.from(value ?? []) };
  const body = GateImpactQuestion.encode(question).finish();
  const count = newCount();
  const ids = await gatewayIds(bus);
  const silent = await askGateways(bus, ids, "gate-impact", body, (_, answer) => {
    addAnswer(count, GateImpactAnswer.decode(answer));
    return true;
  });
  return { ...impactOf(count), silentGateways: silent };
}
