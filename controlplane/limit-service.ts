/**
 * LimitService: checks requests, and leaves the rules to decide-limit.ts.
 */
import type { Bus } from "../bus/bus.ts";
import type { Limit } from "../proto/gen/tidegate/control/v1/limit.ts";
import type {
  DeleteLimitRequest,
  DeleteLimitResponse,
  GetLimitRequest,
  GetLimitResponse,
  ListLimitsRequest,
  ListLimitsResponse,
  UpdateLimitRequest,
  UpdateLimitResponse,
} from "../proto/gen/tidegate/control/v1/limit_service.ts";
import { LIMIT_NAMES, limitKey, limitName } from "../proto/limits.ts";
import type { Caller } from "./access/caller.ts";
import type { ControlStore, StoredRecord } from "./control-store.ts";
import {
  decideLimitDelete,
  decideLimitUpdate,
  type LimitId,
  parseLimitName,
  presentLimit,
} from "./decide-limit.ts";
import { InvalidFieldsError } from "./invalid-fields.ts";
import { readLimitUse } from "./limit-use.ts";
import { parseTenant } from "./resource-name.ts";
import { takePage } from "./take-page.ts";

/** Full name of the service. */
export const LIMIT_SERVICE = "tidegate.control.v1.LimitService";

/** The calls of LimitService; each throws a CodedError to refuse. */
export class LimitCalls {
  readonly #store: ControlStore;
  readonly #bus: Bus;

  constructor(store: ControlStore, bus: Bus) {
    this.#store = store;
    this.#bus = bus;
  }

  async get(request: GetLimitRequest): Promise<GetLimitResponse> {
    const id = parseLimitName(request.name, "name");
    return { limit: await this.#present(id, await this.#read(id)) };
  }

  async list(request: ListLimitsRequest): Promise<ListLimitsResponse> {
    const tenant = parseTenant(request.parent, "parent");
    const page = takePage(LIMIT_NAMES, (limit) => limit, {
      ...{ pageSize: request.pageSize, pageToken: request.pageToken },
      ...{ sizeDefault: LIMIT_NAMES.length, sizeMax: LIMIT_NAMES.length },
      scope: ["ListLimits", request.parent],
    });
    const limits = page.items.map(async (limit) => {
      const id = { tenant, limit };
      return this.#present(id, await this.#read(id));
    });
    return { limits: await Promise.all(limits), nextPageToken: page.nextPageToken };
  }

  async update(request: UpdateLimitRequest, caller: Caller): Promise<UpdateLimitResponse> {
    const { limit: given, updateMask: mask = [], validateOnly, requestId } = request;
    if (given === undefined) {
      throw new InvalidFieldsError([{ field: "limit", description: "is missing" }]);
    }
    const id = parseLimitName(given.name, "limit.name");
    const wish = { given, mask, allowBelowUse: request.allowBelowUse };
    const changed = await this.#store.changeRecord(
      caller,
      {
        key: limitKey(id.tenant, id.limit),
        audit: { method: `${LIMIT_SERVICE}/UpdateLimit`, resource: limitName(id.tenant, id.limit) },
        decide: async (stored) => {
          const { used } = await this.#present(id, stored);
          return decideLimitUpdate(id, stored, wish, Number(used), Date.now());
        },
      },
      { etag: given.etag, validateOnly, requestId },
    );
    return { limit: await this.#present(id, changed) };
  }

  async delete(request: DeleteLimitRequest, caller: Caller): Promise<DeleteLimitResponse> {
    const { etag, validateOnly, requestId } = request;
    const id = parseLimitName(request.name, "name");
    await this.#store.changeRecord(
      caller,
      {
        key: limitKey(id.tenant, id.limit),
        audit: { method: `${LIMIT_SERVICE}/DeleteLimit`, resource: limitName(id.tenant, id.limit) },
        decide: (stored) => decideLimitDelete(id, stored),
      },
      { etag, validateOnly, requestId },
    );
    return {};
  }

  async #read({ tenant, limit }: LimitId): Promise<StoredRecord> {
    const entry = await this.#store.keys.get(limitKey(tenant, limit));
    return { value: entry?.value ?? null, revision: entry?.revision ?? 0 };
  }

  /** Use is looked up only where something is counted. */
  async #present(id: LimitId, stored: StoredRecord): Promise<Limit> {
    const limit = presentLimit(id, stored, 0);
    if (limit.value === 0n) return limit;
    return { ...limit, used: BigInt(await readLimitUse(this.#bus, id)) };
  }
}
