/**
 * The limits that a connection is held to: those of its gateway, lowered by its tenant's.
 *
 * Pure.
 */
import type { Limits as WireLimits } from "../../proto/gen/tidegate/client/v1/session.ts";
import type { GatewayContext } from "../context.ts";
import type { Identity } from "../identity.ts";

type Parts = Pick<GatewayContext, "options" | "limits">;

/** Requests of a connection without an answer. */
export function inFlightMax({ options, limits }: Parts, { tenant }: Identity): number {
  return lower(options.inFlightMax, limits.rates(tenant).inFlight);
}

/** As Welcome says them. */
export function limitsInForce({ options, limits }: Parts, { tenant, user }: Identity): WireLimits {
  const quotas = limits.of(tenant);
  const rates = limits.rates(tenant);
  return {
    frameBytesMax: lower(options.frameBytesMax, rates.frameBytes),
    roomCountMax: options.roomCountMax,
    publishInFlightMax: lower(options.inFlightMax, rates.inFlight),
    historyPageMax: options.historyPageMax,
    tenantConnectionCountMax: BigInt(quotas.tenant.value),
    userConnectionCountMax: BigInt(user === "" ? 0 : quotas.user.value),
    ipConnectionCountMax: BigInt(quotas.ip.value),
    tenantRoomCountMax: BigInt(quotas.rooms.value),
    framesPerSecondMax: rates.framesPerSecond,
    bytesPerSecondMax: rates.bytesPerSecond,
    userPublishesPerSecondMax: rates.userPublishesPerSecond,
    tenantStoredBytesMax: BigInt(rates.storedBytes),
    tenantConnectsPerSecondMax: rates.connectsPerSecond,
  };
}

/** @param own 0: no limit. */
function lower(ofGateway: number, own: number): number {
  return own > 0 ? Math.min(own, ofGateway) : ofGateway;
}
