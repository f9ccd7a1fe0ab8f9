/**
 * FleetService: the fleet as a whole.
 */
import type { Topology } from "../bus/topology.ts";
import type { ScaleAdvice } from "../proto/gen/tidegate/control/v1/fleet.ts";
import type { GetScaleAdviceResponse } from "../proto/gen/tidegate/control/v1/fleet_service.ts";
import { decideScale } from "./scale/decide-scale.ts";
import { readFleet } from "./scale/read-fleet.ts";

/** The calls of FleetService; each throws a CodedError to refuse. */
export class FleetCalls {
  readonly #topology: Topology;
  readonly #trigger: number;

  /** @param trigger utilisation above which more is advised, 0 to 1. */
  constructor(topology: Topology, trigger: number) {
    this.#topology = topology;
    this.#trigger = trigger;
  }

  async scaleAdvice(): Promise<GetScaleAdviceResponse> {
    return { advice: await this.advice() };
  }

  /** The advice. @throws {CodedError} `UNAVAILABLE`. */
  async advice(): Promise<ScaleAdvice> {
    return decideScale(await readFleet(this.#topology), this.#trigger);
  }
}
