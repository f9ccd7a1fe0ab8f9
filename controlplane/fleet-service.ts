/**
 * FleetService: the fleet as a whole.
 */
import type { Bus } from "../bus/bus.ts";
import type { ScaleAdvice } from "../proto/gen/tidegate/control/v1/fleet.ts";
import type {
  GetActivityRequest,
  GetActivityResponse,
  GetScaleAdviceResponse,
} from "../proto/gen/tidegate/control/v1/fleet_service.ts";
import { readActivity } from "./fleet-activity.ts";
import { decideScale } from "./scale/decide-scale.ts";
import { readFleet } from "./scale/read-fleet.ts";

/** The calls of FleetService; each throws a CodedError to refuse. */
export class FleetCalls {
  readonly #bus: Bus;
  readonly #trigger: number;

  /** @param trigger utilisation above which more is advised, 0 to 1. */
  constructor(bus: Bus, trigger: number) {
    this.#bus = bus;
    this.#trigger = trigger;
  }

  activity(request: GetActivityRequest): Promise<GetActivityResponse> {
    return readActivity(this.#bus, request);
  }

  async scaleAdvice(): Promise<GetScaleAdviceResponse> {
    return { advice: await this.advice() };
  }

  /** The advice. @throws {CodedError} `UNAVAILABLE`. */
  async advice(): Promise<ScaleAdvice> {
    return decideScale(await readFleet(this.#bus.topology), this.#trigger);
  }
}
