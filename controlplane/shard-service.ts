/**
 * ShardService: reads shards as the bus has them, and asks the bus for changes.
 *
 * shard-changes.ts makes the changes.
 */
import type { ShardEntry, Topology } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import type {
  GetShardRequest,
  GetShardResponse,
  ListShardsRequest,
  ListShardsResponse,
} from "../proto/gen/tidegate/control/v1/shard_service.ts";
import { parseGroupName, parseShardName, shardName } from "./fleet-names.ts";
import { toShard } from "./fleet-resources.ts";
import { takePage } from "./take-page.ts";

/** Shards of a page when the request says 0, and at most. */
const sizes = { sizeDefault: 64, sizeMax: 256 };
/** Parent that stands for every group (AIP-159). */
export const ANY_GROUP = "groups/-";

/** The reads of ShardService; each throws a CodedError to refuse. */
export class ShardCalls {
  readonly #topology: Topology;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  async list(request: ListShardsRequest): Promise<ListShardsResponse> {
    const { parent, pageSize, pageToken } = request;
    const group = parent === ANY_GROUP ? null : parseGroupName(parent, "parent");
    if (group !== null) await checkGroup(this.#topology, group);
    const all = await this.#topology.shardSettings();
    const wanted = all.filter(({ settings }) => group === null || settings.group === group);
    const wish = { pageSize, pageToken, ...sizes, scope: ["ListShards", parent] };
    const { items, nextPageToken } = takePage(wanted, ({ shard }) => shard, wish);
    // Only these are asked how they are.
    const entries = await this.#topology.shards(items.map(({ shard }) => shard));
    return { shards: entries.map(toShard), nextPageToken };
  }

  async get(request: GetShardRequest): Promise<GetShardResponse> {
    return { shard: toShard(await findShard(this.#topology, request.name, "name")) };
  }
}

/** Refuses a group that does not exist. @throws {CodedError} `NOT_FOUND`, `UNAVAILABLE`. */
export async function checkGroup(topology: Topology, group: number): Promise<void> {
  if ((await topology.groups()).some((entry) => entry.group === group)) return;
  throw new CodedError("NOT_FOUND", `there is no placement group ${group}`);
}

/**
 * The shard of a name.
 *
 * @param field of the request, named in the error.
 * @throws {CodedError} `REQUEST_INVALID`, `NOT_FOUND`, `UNAVAILABLE`.
 */
export async function findShard(
  topology: Topology,
  name: string,
  field: string,
): Promise<ShardEntry> {
  const { group, shard } = parseShardName(name, field);
  const [found] = await topology.shards([shard]);
  if (found !== undefined && toShard(found).name === shardName(group, shard)) return found;
  throw new CodedError("NOT_FOUND", `placement group ${group} has no shard ${shard}`);
}
