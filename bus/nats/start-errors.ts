/**
 * What a start says when NATS can not be used: which errors are final, and in which words.
 *
 * An error that waiting may mend (no leader yet) is not final; everything here names what is
 * wrong and what to do, and never a credential.
 */
import { JetStreamApiError } from "@nats-io/jetstream";
import {
  AuthorizationError,
  ConnectionError,
  PermissionViolationError,
  TimeoutError,
} from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";

/** Least version with the stream features that we need; also in deploy/nats/find-server.ts. */
const versionMin = [2, 12] as const;

/** JetStream error codes that do not get better by waiting. */
const finalApiErrors: Readonly<Record<number, string>> = {
  10023: "it has not the storage that SHARD_COUNT × SHARD_BYTES_MAX reserves",
  10026: "the account has as many streams as it may",
  10028: "the server has not the storage that SHARD_COUNT × SHARD_BYTES_MAX reserves",
  10039: "this account has no JetStream; set jetstream: enabled in the account",
  10047: "the server has not the storage that SHARD_COUNT × SHARD_BYTES_MAX reserves",
  10065: "another stream captures subjects of ours; use an account of its own for Tidegate",
  10074: "REPLICA_COUNT copies need a cluster of as many servers, and this is a single one",
};

/** Whether a server's version, as it tells it, is below 2.12. An unreadable one is. */
export function isOldNats(version: string): boolean {
  const match = /^v?(\d+)\.(\d+)\./.exec(version);
  if (match === null) return true;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major < versionMin[0] || (major === versionMin[0] && minor < versionMin[1]);
}

/** A server URL as it may be printed. */
export function withoutCredentials(url: string): string {
  return url.replace(/^(\w+:\/\/)?.*@/, "$1");
}

/**
 * Why the first connection did not come about.
 *
 * @param servers as they may be printed.
 */
export function toConnectError(error: unknown, servers: string): CodedError {
  const reason = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  if (error instanceof AuthorizationError) {
    return new CodedError(
      "BUS_ACCESS_DENIED",
      `NATS at ${servers} refuses these credentials`,
      error,
    );
  }
  if (isTlsReason(reason, code)) {
    const detail =
      `no TLS with NATS at ${servers}: ${reason}; NATS_TLS_CA_FILE names whom to trust, ` +
      "NATS_TLS_CERT_FILE and NATS_TLS_KEY_FILE what we show";
    return new CodedError("BUS_ACCESS_DENIED", detail, error);
  }
  if (error instanceof ConnectionError && reason.includes("tls")) {
    const detail = `NATS at ${servers} has no TLS, which a tls:// URL or NATS_TLS_… asks for`;
    return new CodedError("BUS_ACCESS_DENIED", detail, error);
  }
  if (reason.includes("unexpected response")) {
    return new CodedError(
      "BUS_UNSUITABLE",
      `what answers at ${servers} does not speak NATS`,
      error,
    );
  }
  if (error instanceof TimeoutError) {
    const detail =
      `no NATS answers at ${servers}: something listens there, but it does not speak NATS, is ` +
      "frozen, or waits for a client certificate (NATS_TLS_CERT_FILE)";
    return new CodedError("UNAVAILABLE", detail, error);
  }
  return new CodedError("UNAVAILABLE", `NATS at ${servers} can not be reached: ${reason}`, error);
}

/** The error that ends a start at once, or null when waiting may mend it. */
export function finalStartError(error: unknown): CodedError | null {
  if (error instanceof CodedError && error.code !== "UNAVAILABLE") return error;
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof PermissionViolationError) {
      const detail = `the NATS user lacks permissions: ${each.operation} ${each.subject}`;
      return new CodedError("BUS_ACCESS_DENIED", detail, error);
    }
    if (each instanceof JetStreamApiError) {
      const meaning = finalApiErrors[each.code];
      if (meaning === undefined) continue;
      const detail = `NATS refuses (${each.code} ${each.message}): ${meaning}`;
      return new CodedError("BUS_UNSUITABLE", detail, error);
    }
  }
  return null;
}

/** No JetStream: a server without it, or a cluster without a leader yet. */
export function isWithoutJetStream(error: unknown): boolean {
  // Its class is not exported.
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

function isTlsReason(reason: string, code: unknown): boolean {
  const isTlsCode =
    typeof code === "string" && /^(ERR_TLS|ERR_SSL|CERT|DEPTH|UNABLE_TO|SELF_)/.test(code);
  return isTlsCode || /certificate|\bSSL\b|\balert\b/i.test(reason);
}
