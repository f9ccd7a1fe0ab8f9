/**
 * GatewayService: the processes that hold a lease, as the bus has them.
 */
import type { Topology } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import type {
  GetGatewayRequest,
  GetGatewayResponse,
  ListGatewaysRequest,
  ListGatewaysResponse,
} from "../proto/gen/tidegate/control/v1/gateway_service.ts";
import { parseGatewayName } from "./fleet-names.ts";
import { toGateway } from "./fleet-resources.ts";
import { takePage } from "./take-page.ts";

/** Processes of a page when the request says 0, and at most. */
const sizes = { sizeDefault: 100, sizeMax: 1000 };

/** The calls of GatewayService; each throws a CodedError to refuse. */
export class GatewayCalls {
  readonly #topology: Topology;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  async list(request: ListGatewaysRequest): Promise<ListGatewaysResponse> {
    const { pageSize, pageToken } = request;
    const all = await this.#topology.processes();
    const wish = { pageSize, pageToken, ...sizes, scope: ["ListGateways"] };
    const { items, nextPageToken } = takePage(all, ({ id }) => id, wish);
    const nowUs = Date.now() * 1000;
    return { gateways: items.map((entry) => toGateway(entry, nowUs)), nextPageToken };
  }

  async get(request: GetGatewayRequest): Promise<GetGatewayResponse> {
    const id = parseGatewayName(request.name, "name");
    const found = (await this.#topology.processes()).find((entry) => entry.id === id);
    if (found !== undefined) return { gateway: toGateway(found, Date.now() * 1000) };
    throw new CodedError("NOT_FOUND", `no process with the id "${id}" holds a lease`);
  }
}
