/**
 * What options must be together, beyond the bounds of each.
 *
 * Pure.
 */
import { checkAuth } from "./auth-options.ts";
import { decideAdvertiseUrl } from "./gateway/drain/advertise-url.ts";
import { checkEdge } from "./gateway/edge/check-edge.ts";
import { REGION_PATTERN } from "./gateway/options.ts";
import type { OptionName } from "./options.ts";
import { CodedError } from "./proto/coded-error.ts";
import { isLoopback } from "./proto/loopback.ts";
import { checkTelemetry } from "./telemetry-options.ts";

/** Reads a value as it was written; empty for none. */
type Read = (name: OptionName) => string;

/**
 * Refuses values that each are allowed alone, but not together.
 *
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function checkTogether(read: Read): void {
  const auth = read("AUTH");
  if (auth === "none" && !isLoopback(read("HOST"))) {
    const detail =
      `HOST is "${read("HOST")}" and AUTH is "none": everybody who reaches that address could ` +
      "do everything. Set AUTH to static or jwt, or HOST to 127.0.0.1";
    throw new CodedError("OPTION_INVALID", detail);
  }
  checkAuth(read);
  if (read("PARTS") !== "all" && read("NATS_URL") === "") {
    const detail = `PARTS is "${read("PARTS")}", so NATS_URL must name servers: the embedded bus has one process`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  checkDrain(read);
  checkTelemetry(read);
  checkEdge({
    trustedProxies: readList(read("TRUSTED_PROXIES")),
    proxyProtocol: read("PROXY_PROTOCOL") === "v2",
    answersHttp: read("ADMIN_PORT") === "0",
    tlsCertFile: read("TLS_CERT_FILE"),
    tlsKeyFile: read("TLS_KEY_FILE"),
  });
  checkWorkers(Number(read("WORKERS")), read("PARTS"), read("NATS_URL"), read("GATEWAY_ID"));
  if (![1, 3, 5].includes(Number(read("REPLICA_COUNT")))) {
    const detail = `REPLICA_COUNT is "${read("REPLICA_COUNT")}", must be 1, 3 or 5`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  if ((read("NATS_TLS_CERT_FILE") === "") !== (read("NATS_TLS_KEY_FILE") === "")) {
    const detail = "NATS_TLS_CERT_FILE and NATS_TLS_KEY_FILE belong together; set both or neither";
    throw new CodedError("OPTION_INVALID", detail);
  }
  if ((read("CONTROL_TLS_CERT_FILE") === "") !== (read("CONTROL_TLS_KEY_FILE") === "")) {
    const detail = "CONTROL_TLS_CERT_FILE and CONTROL_TLS_KEY_FILE belong together; set both";
    throw new CodedError("OPTION_INVALID", detail);
  }
  if (!REGION_PATTERN.test(read("REGION"))) {
    throw new CodedError("OPTION_INVALID", "REGION must be [a-z0-9-], at most 32 characters");
  }
  if (!/^[a-z0-9-]{0,32}$/.test(read("GATEWAY_ID"))) {
    throw new CodedError("OPTION_INVALID", "GATEWAY_ID must be [a-z0-9-], at most 32 characters");
  }
}

/** The entries of a list option, as it was written. */
export function readList(text: string): string[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function checkDrain(read: Read): void {
  const workerCount = Number(read("WORKERS"));
  const directPort = Number(read("DIRECT_PORT"));
  const facts = {
    url: read("ADVERTISE_URL"),
    host: read("HOST"),
    directPort,
    workerCount,
    hasTls: read("TLS_CERT_FILE") !== "",
  };
  decideAdvertiseUrl(facts, 0);
  const lastPort = directPort + workerCount - 1;
  const port = Number(read("PORT"));
  if (directPort > 0 && (lastPort > 65_535 || (port >= directPort && port <= lastPort))) {
    const detail = `DIRECT_PORT to DIRECT_PORT + WORKERS - 1 is ${directPort} to ${lastPort}, must not`;
    throw new CodedError("OPTION_INVALID", `${detail} hold PORT (${port}) or pass 65535`);
  }
  const announceMs = Number(read("DRAIN_ANNOUNCE_MS"));
  const deadlineMs = Number(read("DRAIN_DEADLINE_MS"));
  if (deadlineMs !== 0 && announceMs >= deadlineMs) {
    const detail = `DRAIN_ANNOUNCE_MS is ${announceMs}, must be below DRAIN_DEADLINE_MS, ${deadlineMs}`;
    throw new CodedError("OPTION_INVALID", detail);
  }
}

function checkWorkers(count: number, parts: string, natsUrl: string, gatewayId: string): void {
  if (count === 1) return;
  const refuse = (why: string) => {
    throw new CodedError("OPTION_INVALID", `WORKERS is "${count}", ${why}`);
  };
  if (natsUrl === "") refuse("so NATS_URL must name servers: the embedded bus has one process");
  if (parts === "controlplane") refuse('and PARTS is "controlplane": workers are gateways');
  const suffixChars = 3; // "-64", "-cp"
  if (gatewayId.length > 32 - suffixChars) {
    refuse(`so GATEWAY_ID has at most ${32 - suffixChars} characters: each worker's gets a number`);
  }
}
