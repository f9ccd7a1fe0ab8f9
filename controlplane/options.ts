/**
 * Options of the control plane.
 */
import { CodedError } from "../proto/coded-error.ts";
import { isLoopback } from "../proto/loopback.ts";

export interface ControlPlaneOptions {
  /** Name of this process, for people: its GATEWAY_ID. */
  readonly name: string;
  /**
   * Address to listen on. Beyond loopback only with access control (tokens or client certificates):
   * without it, anyone who reaches the port may change anything.
   */
  readonly host: string;
  /** Port to listen on, 0 to 65535; 0 takes a free one. */
  readonly port: number;
  /** File of the key of bearer tokens: a PEM Ed25519 public key, or an HS256 secret. */
  readonly authJwtKeyFile: string;
  /** File of a JSON Web Key Set instead. */
  readonly authJwksFile: string;
  /** `iss` and `aud` that tokens must have; empty: any. */
  readonly authJwtIssuer: string;
  readonly authJwtAudience: string;
  /** PEM certificate and key of the port; empty: no TLS. They belong together. */
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  /** PEM authority of client certificates; empty: none are asked for. */
  readonly tlsCaFile: string;
  /** Id of the gateway in this very process, which gets a token of its own; empty: none. */
  readonly ownGatewayId: string;
  /** Bytes of one request, 65536 to 4194304. Beyond it gRPC answers RESOURCE_EXHAUSTED. */
  readonly messageBytesMax: number;
  /** Calls answered at once, 1 to 100000. Beyond it UNAVAILABLE with a retry hint. */
  readonly callCountMax: number;
  /** Room classes of one page, 1 to 1000. A larger `page_size` is lowered to it. */
  readonly classPageMax: number;
  /** Messages of one page of history, 1 to 500. A larger `page_size` is lowered to it. */
  readonly historyPageMax: number;
  /** How long a stop waits for calls in progress, 0 to 60000 ms; then they end as UNAVAILABLE. */
  readonly drainTimeoutMs: number;
  /** Whether load is moved to gateways that have far less than the others. Default true. */
  readonly balances: boolean;
  /**
   * It begins when one has this part less than its share, percent, 5 to 100. Default 30: a fleet of
   * four that becomes five is 20 % off everywhere, and its new gateway 100 %.
   */
  readonly balanceGapPercent: number;
  /** Reconnects a second by it, 1 to 10 000. Default 50: a tenth of what one gateway takes. */
  readonly balanceRateMax: number;
  /**
   * Utilisation above which more gateways or shards are advised, percent, 10 to 95. Default 80:
   * what is added takes a minute to be there, and the rest of the fleet has to hold until then.
   */
  readonly scaleTriggerPercent: number;
}

/** Defaults of {@link ControlPlaneOptions}; the comments say why. */
export const CONTROL_PLANE_DEFAULTS: ControlPlaneOptions = {
  name: "controlplane",
  host: "127.0.0.1",
  port: 9090,
  authJwtKeyFile: "",
  authJwksFile: "",
  authJwtIssuer: "",
  authJwtAudience: "",
  tlsCertFile: "",
  tlsKeyFile: "",
  tlsCaFile: "",
  ownGatewayId: "",
  messageBytesMax: 131_072, // the largest payload is 61440 bytes
  callCountMax: 1000, // each holds one request: at most 128 MB
  classPageMax: 1000,
  historyPageMax: 500, // one read of the bus
  drainTimeoutMs: 2000,
  balances: true,
  balanceGapPercent: 30,
  balanceRateMax: 50,
  scaleTriggerPercent: 80,
};

/** Bounds of the numbers. */
const bounds = {
  port: [0, 65_535],
  messageBytesMax: [65_536, 4_194_304],
  callCountMax: [1, 100_000],
  classPageMax: [1, 1000],
  historyPageMax: [1, 500],
  drainTimeoutMs: [0, 60_000],
  balanceGapPercent: [5, 100],
  balanceRateMax: [1, 10_000],
  scaleTriggerPercent: [10, 95],
} as const;

/**
 * Fills in defaults and checks.
 *
 * @throws {CodedError} `OPTION_INVALID` with name, value and bound.
 */
export function validateControlPlaneOptions(
  partial: Partial<ControlPlaneOptions>,
): ControlPlaneOptions {
  const options = { ...CONTROL_PLANE_DEFAULTS, ...partial };
  for (const [name, [min, max]] of Object.entries(bounds)) {
    const value = options[name as keyof typeof bounds];
    if (Number.isInteger(value) && value >= min && value <= max) continue;
    throw new CodedError(
      "OPTION_INVALID",
      `control plane ${name} is ${String(value)}, not a whole number from ${min} to ${max}`,
    );
  }
  checkAccess(options);
  return options;
}

/** Whether callers must prove who they are. */
export function hasAccessControl(options: ControlPlaneOptions): boolean {
  const { authJwtKeyFile, authJwksFile, tlsCaFile } = options;
  return authJwtKeyFile !== "" || authJwksFile !== "" || tlsCaFile !== "";
}

function checkAccess(options: ControlPlaneOptions): void {
  const { authJwtKeyFile, authJwksFile, tlsCertFile, tlsKeyFile, tlsCaFile } = options;
  const refuse = (detail: string) => {
    throw new CodedError("OPTION_INVALID", detail);
  };
  if (authJwtKeyFile !== "" && authJwksFile !== "") {
    refuse("CONTROL_AUTH_JWT_KEY_FILE and CONTROL_AUTH_JWKS_FILE are both set; use one of them");
  }
  if (authJwtKeyFile === "" && authJwksFile === "") {
    if (options.authJwtIssuer !== "" || options.authJwtAudience !== "") {
      refuse(
        "CONTROL_AUTH_JWT_ISSUER and _AUDIENCE are of tokens, which need " +
          "CONTROL_AUTH_JWT_KEY_FILE or CONTROL_AUTH_JWKS_FILE",
      );
    }
  }
  if ((tlsCertFile === "") !== (tlsKeyFile === "")) {
    refuse("CONTROL_TLS_CERT_FILE and CONTROL_TLS_KEY_FILE belong together; set both or neither");
  }
  if (tlsCaFile !== "" && tlsCertFile === "") {
    refuse(
      "CONTROL_TLS_CA_FILE asks for client certificates, so the control plane needs " +
        "CONTROL_TLS_CERT_FILE and CONTROL_TLS_KEY_FILE of its own",
    );
  }
  if (hasAccessControl(options) || isLoopback(options.host)) return;
  refuse(
    `control plane host is ${JSON.stringify(options.host)}, but beyond loopback (127.0.0.1, ::1, ` +
      "localhost) callers must prove who they are: set CONTROL_AUTH_JWT_KEY_FILE, " +
      "CONTROL_AUTH_JWKS_FILE or CONTROL_TLS_CA_FILE",
  );
}
