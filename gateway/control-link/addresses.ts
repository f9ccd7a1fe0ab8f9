/**
 * The other gateways, as the control plane lists them: where clients may be sent.
 *
 * Kept while no control plane is there; how old it is can be asked.
 */
import type { GatewayAddress } from "../../proto/gen/tidegate/control/v1/routing.ts";
import type { StreamRoutingResponse } from "../../proto/gen/tidegate/control/v1/routing_service.ts";

/** The list of one gateway; it is in it too. */
export class Addresses {
  readonly #byName = new Map<string, GatewayAddress>();
  #onChange: () => void = () => {};
  #heardMs = Number.NEGATIVE_INFINITY;

  /** By name, "gateways/{gateway}". Empty before a control plane was reached. */
  get all(): ReadonlyMap<string, GatewayAddress> {
    return this.#byName;
  }

  /** How long ago a control plane was heard, ms; Infinity for never. */
  get ageMs(): number {
    return performance.now() - this.#heardMs;
  }

  /** Calls `listener` after each change. One listener. */
  follow(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Takes what a message says of gateways. */
  take({ gateways, allGateways, goneGateways }: StreamRoutingResponse): void {
    this.#heardMs = performance.now();
    if (allGateways) this.#byName.clear();
    for (const entry of gateways) this.#byName.set(entry.name, entry);
    for (const name of goneGateways) this.#byName.delete(name);
    if (allGateways || gateways.length > 0 || goneGateways.length > 0) this.#onChange();
  }
}
