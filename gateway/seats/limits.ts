/**
 * Limits of tenants as this gateway knows them: a live copy of the bus's records.
 */
import {
  isLimitName,
  LIMIT_PREFIX,
  type LimitName,
  type LimitSetting,
  NO_LIMIT,
  readLimit,
} from "../../proto/limits.ts";
import type { ControlFeed } from "../control-link/control-feed.ts";

/** The limits of one tenant. */
export interface TenantLimits {
  readonly tenant: LimitSetting;
  readonly user: LimitSetting;
  readonly ip: LimitSetting;
  readonly rooms: LimitSetting;
}

/** Told of each change after the first copy. */
export type LimitListener = (tenant: string, limit: LimitName) => void;

const fields = {
  connections: "tenant",
  "connections-per-user": "user",
  "connections-per-ip": "ip",
  rooms: "rooms",
} as const satisfies Record<LimitName, keyof TenantLimits>;

/** A tenant without a limit. */
export const NO_LIMITS: TenantLimits = {
  tenant: NO_LIMIT,
  user: NO_LIMIT,
  ip: NO_LIMIT,
  rooms: NO_LIMIT,
};

export class Limits {
  readonly #tenants = new Map<string, TenantLimits>();
  #onChange: LimitListener | null = null;

  /** Follows the limits by a feed, which is opened after this. */
  constructor(feed: Pick<ControlFeed, "follow">) {
    feed.follow(LIMIT_PREFIX, (key, value) => this.#apply(key, value));
  }

  /** Calls `listener` for each change from now on; one listener. */
  follow(listener: LimitListener): void {
    this.#onChange = listener;
  }

  /** The limits of a tenant. Hot path of connecting: one look-up. */
  of(tenant: string): TenantLimits {
    return this.#tenants.get(tenant) ?? NO_LIMITS;
  }

  #apply(key: string, value: Uint8Array | null): string | null {
    const [, tenant = "", limit = ""] = key.split(".");
    if (!isLimitName(limit)) return "there is no such limit";
    const setting = value === null ? NO_LIMIT : readLimit(limit, value);
    if (setting === null) return "its value or its policy in outages is not known";
    const changed = { ...this.of(tenant), [fields[limit]]: setting };
    const isAny = Object.values(changed).some((each) => each.value > 0);
    if (isAny) this.#tenants.set(tenant, changed);
    else this.#tenants.delete(tenant);
    this.#onChange?.(tenant, limit);
    return null;
  }
}
