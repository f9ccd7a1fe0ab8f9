/**
 * Limits of tenants as this gateway knows them: a live copy of the bus's records.
 *
 * Those that are counted in the fleet (quotas) and those that each gateway holds to by itself
 * (rates) are kept apart: a tenant with rates alone has no seats.
 */
import {
  isLimitName,
  isQuotaName,
  LIMIT_PREFIX,
  type LimitSetting,
  NO_LIMIT,
  type QuotaName,
  readLimit,
} from "../../proto/limits.ts";
import type { ControlFeed } from "../control-link/control-feed.ts";
import { NO_RATES, RATE_FIELDS, type TenantRates } from "../rates/tenant-rates.ts";

/** The quotas of one tenant. */
export interface TenantLimits {
  readonly tenant: LimitSetting;
  readonly user: LimitSetting;
  readonly ip: LimitSetting;
  readonly rooms: LimitSetting;
}

/** Told of each change of a quota after the first copy. */
export type LimitListener = (tenant: string, limit: QuotaName) => void;

const fields = {
  connections: "tenant",
  "connections-per-user": "user",
  "connections-per-ip": "ip",
  rooms: "rooms",
} as const satisfies Record<QuotaName, keyof TenantLimits>;

/** A tenant without a quota. */
export const NO_LIMITS: TenantLimits = {
  tenant: NO_LIMIT,
  user: NO_LIMIT,
  ip: NO_LIMIT,
  rooms: NO_LIMIT,
};

export class Limits {
  readonly #tenants = new Map<string, TenantLimits>();
  readonly #rates = new Map<string, TenantRates>();
  #onChange: LimitListener | null = null;

  /** Follows the limits by a feed, which is opened after this. */
  constructor(feed: Pick<ControlFeed, "follow">) {
    feed.follow(LIMIT_PREFIX, (key, value) => this.#apply(key, value));
  }

  /** Calls `listener` for each change from now on; one listener. */
  follow(listener: LimitListener): void {
    this.#onChange = listener;
  }

  /** The quotas of a tenant. Hot path of connecting: one look-up. */
  of(tenant: string): TenantLimits {
    return this.#tenants.get(tenant) ?? NO_LIMITS;
  }

  /** The rates of a tenant. Hot path, for each frame of a client: one look-up. */
  rates(tenant: string): TenantRates {
    return this.#rates.get(tenant) ?? NO_RATES;
  }

  /** Tenants whose stored bytes are limited. */
  *storedTenants(): Iterable<string> {
    for (const [tenant, { storedBytes }] of this.#rates) if (storedBytes > 0) yield tenant;
  }

  #apply(key: string, value: Uint8Array | null): string | null {
    const [, tenant = "", limit = ""] = key.split(".");
    if (!isLimitName(limit)) return "there is no such limit";
    const setting = value === null ? NO_LIMIT : readLimit(limit, value);
    if (setting === null) return "its value or its policy in outages is not known";
    if (!isQuotaName(limit)) {
      const changed = { ...this.rates(tenant), [RATE_FIELDS[limit]]: setting.value };
      const isAny = Object.values(changed).some((each) => each > 0);
      if (isAny) this.#rates.set(tenant, changed);
      else this.#rates.delete(tenant);
      return null;
    }
    const changed = { ...this.of(tenant), [fields[limit]]: setting };
    const isAny = Object.values(changed).some((each) => each.value > 0);
    if (isAny) this.#tenants.set(tenant, changed);
    else this.#tenants.delete(tenant);
    this.#onChange?.(tenant, limit);
    return null;
  }
}
