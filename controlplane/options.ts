/**
 * Options of the control plane.
 */
import { CodedError } from "../proto/coded-error.ts";

export interface ControlPlaneOptions {
  /** Name of this process, for people: its GATEWAY_ID. */
  readonly name: string;
  /** Address to listen on. Loopback only: anyone who reaches the port may change anything. */
  readonly host: string;
  /** Port to listen on, 0 to 65535; 0 takes a free one. */
  readonly port: number;
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
}

/** Defaults of {@link ControlPlaneOptions}; the comments say why. */
export const CONTROL_PLANE_DEFAULTS: ControlPlaneOptions = {
  name: "controlplane",
  host: "127.0.0.1",
  port: 9090,
  messageBytesMax: 131_072, // the largest payload is 61440 bytes
  callCountMax: 1000, // each holds one request: at most 128 MB
  classPageMax: 1000,
  historyPageMax: 500, // one read of the bus
  drainTimeoutMs: 2000,
};

/** Bounds of the numbers. */
const bounds = {
  port: [0, 65_535],
  messageBytesMax: [65_536, 4_194_304],
  callCountMax: [1, 100_000],
  classPageMax: [1, 1000],
  historyPageMax: [1, 500],
  drainTimeoutMs: [0, 60_000],
} as const;

const loopback = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

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
  if (!loopback.test(options.host)) {
    throw new CodedError(
      "OPTION_INVALID",
      `control plane host is ${JSON.stringify(options.host)}, but only loopback (127.0.0.1, ::1, ` +
        "localhost) is allowed: it does not yet authenticate operators, so whoever reaches the " +
        "port may change everything. Reach it through an SSH tunnel or a proxy that authenticates",
    );
  }
  return options;
}
