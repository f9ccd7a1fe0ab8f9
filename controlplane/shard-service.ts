/**
 * ShardService: shards as the bus has them. Only those of the page are asked.
 */
import type { Topology } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import type {
  GetShardRequest,
  GetShardResponse,
  ListShardsRequest,
  ListShardsResponse,
} from "../proto/gen/tidegate/control/v1/shard_service.ts";
import { checkGroupName, parseShardName } from "./fleet-names.ts";
import { toShard } from "./fleet-resources.ts";
import { takePage } from "./take-page.ts";

/** Shards of a page when the request says 0, and at most. */
const sizes = { sizeDefault: 64, sizeMax: 256 };

/** The calls of ShardService; each throws a CodedError to refuse. */
export class ShardCalls {
  readonly #topology: Topology;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  async list(request: ListShardsRequest): Promise<ListShardsResponse> {
    const { parent, pageSize, pageToken } = request;
    checkGroupName(parent, "parent");
    const numbers = await this.#topology.shardNumbers();
    const wish = { pageSize, pageToken, ...sizes, scope: ["ListShards", parent] };
    const { items, nextPageToken } = takePage(numbers, (shard) => shard, wish);
    const shards = await this.#topology.shards(items);
    return { shards: shards.map(toShard), nextPageToken };
  }

  async get(request: GetShardRequest): Promise<GetShardResponse> {
    const shard = parseShardName(request.name, "name");
    const [found] = await this.#topology.shards([shard]);
    if (found !== undefined) return { shard: toShard(found) };
    throw new CodedError("NOT_FOUND", `placement group 0 has no shard ${shard}`);
  }
}
