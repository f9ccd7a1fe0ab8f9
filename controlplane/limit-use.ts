/**
 * How much of a tenant's limits is in use, as the bus KV has it.
 */
import type { Bus } from "../bus/bus.ts";
import { decodePermits, permitCount } from "../bus/seats/permit-pool.ts";
import { poolKey, SEAT_BUCKET } from "../bus/seats/seat-keys.ts";
import { decodeSeats } from "../bus/seats/seat-set.ts";
import { isQuotaName } from "../proto/limits.ts";
import { decodeStored, storedKey, USAGE_BUCKET } from "../proto/stored-usage.ts";
import type { LimitId } from "./decide-limit.ts";

/** Permits that are out, or the seats of whoever has most; 0 of a rate. Throws `UNAVAILABLE`. */
export async function readLimitUse(bus: Bus, { tenant, limit }: LimitId): Promise<number> {
  if (limit === "stored-bytes") {
    const usage = await bus.keyValue(USAGE_BUCKET);
    return decodeStored((await usage.get(storedKey(tenant)))?.value ?? null);
  }
  if (!isQuotaName(limit)) return 0;
  const keys = await bus.keyValue(SEAT_BUCKET);
  if (limit === "connections" || limit === "rooms") {
    const entry = await keys.get(poolKey(tenant, limit));
    return permitCount(decodePermits(entry?.value ?? null));
  }
  const prefix = limit === "connections-per-user" ? `user.${tenant}.` : `ip.${tenant}.`;
  const entries = await keys.list(prefix);
  return entries.reduce((most, { value }) => Math.max(most, decodeSeats(value).seats.size), 0);
}
