/**
 * Connection care: how this process stays on NATS, whatever dies (nats-facts in docs/nats.md).
 *
 * Measured: a kill -9 costs 5 messages with a 50 ms reconnect wait and 1 215 with the defaults; a
 * frozen server is unseen for minutes without frequent pings; leaving a lame duck at once misses 0
 * instead of 15.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
} from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { NatsBusOptions } from "./options.ts";

/** Wait before a reconnect and its jitter, ms. */
const RECONNECT_WAIT_MS = 50;
const RECONNECT_JITTER_MS = 50;
/** A server that leaves this many pings unanswered is left: at most 3 s. */
const PING_INTERVAL_MS = 1000;
const PING_OUT_MAX = 2;
/** JetStream must be ready within this time after the connection, and is asked this often, ms. */
const READY_MS_MAX = 30_000;
const READY_WAIT_MS = 100;
/** First connection must come about within this time, ms. */
const CONNECT_MS_MAX = 5000;

/**
 * Connects.
 *
 * @throws {CodedError} `UNAVAILABLE` when no server answers, `TOKEN_INVALID` when it refuses us;
 * never
 *   with a credential in the text.
 */
export async function connectNats(options: NatsBusOptions): Promise<NatsConnection> {
  try {
    const connection = await connect({ ...connectionOptions(options), ...authentication(options) });
    void leaveLameDucks(connection);
    return connection;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const servers = options.servers.map(withoutCredentials).join(", ");
    if (/auth/i.test(reason)) {
      throw new CodedError("TOKEN_INVALID", `NATS at ${servers} refuses these credentials`, error);
    }
    throw new CodedError("UNAVAILABLE", `NATS at ${servers} can not be reached: ${reason}`, error);
  }
}

/**
 * Tries again while JetStream has no leader yet, as in a cluster that has just started.
 *
 * @throws {CodedError} `UNAVAILABLE` when it is not ready within 30 s; other codes at once.
 */
export async function untilReady<T>(action: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + READY_MS_MAX;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const isFinal = error instanceof CodedError && error.code !== "UNAVAILABLE";
      if (isFinal || performance.now() > endMs) throw toCoded(error);
      await sleep(READY_WAIT_MS);
    }
  }
}

/** NATS's own errors mean that it does not answer now. */
export function toCoded(error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new CodedError("UNAVAILABLE", `NATS does not answer: ${reason}`, error);
}

/** A server URL as it may be printed. */
export function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//");
}

function connectionOptions(options: NatsBusOptions): ConnectionOptions {
  return {
    servers: [...options.servers],
    name: `tidegate ${options.name}`,
    timeout: CONNECT_MS_MAX,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_JITTER_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PING_OUT_MAX,
    ignoreClusterUpdates: false,
    inboxPrefix: `_INBOX.${options.name}`,
  };
}

function authentication(options: NatsBusOptions): ConnectionOptions {
  const { credentials, token, user, password } = options;
  if (credentials !== "") {
    return { authenticator: credsAuthenticator(new TextEncoder().encode(credentials)) };
  }
  if (token !== "") return { token };
  return user === "" ? {} : { user, pass: password };
}

/** A server in lame duck mode will cut us soon; going at once misses nothing. */
async function leaveLameDucks(connection: NatsConnection): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "ldm") await connection.reconnect();
  }
}
