/**
 * The options of the control plane from those of the all-in-one.
 */
import type { ControlPlaneOptions } from "./controlplane/options.ts";
import type { OptionValues } from "./options.ts";

/** @param gatewayId of this process. */
export function controlPlaneOptions(
  options: OptionValues,
  gatewayId: string,
): Partial<ControlPlaneOptions> {
  return {
    name: gatewayId,
    host: options.text("CONTROL_HOST"),
    port: options.integer("CONTROL_PORT"),
    balances: options.text("BALANCE") === "on",
    balanceGapPercent: options.integer("BALANCE_GAP_PERCENT"),
    scaleTriggerPercent: options.integer("SCALE_TRIGGER_PERCENT"),
    balanceRateMax: options.integer("BALANCE_RATE_MAX"),
    authJwtKeyFile: options.text("CONTROL_AUTH_JWT_KEY_FILE"),
    authJwksFile: options.text("CONTROL_AUTH_JWKS_FILE"),
    authJwtIssuer: options.text("CONTROL_AUTH_JWT_ISSUER"),
    authJwtAudience: options.text("CONTROL_AUTH_JWT_AUDIENCE"),
    tlsCertFile: options.text("CONTROL_TLS_CERT_FILE"),
    tlsKeyFile: options.text("CONTROL_TLS_KEY_FILE"),
    tlsCaFile: options.text("CONTROL_TLS_CA_FILE"),
    ownGatewayId: options.text("PARTS") === "all" ? gatewayId : "",
  };
}
