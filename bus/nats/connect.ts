/**
 * Connection care: how this process stays on NATS, whatever dies (nats-facts in docs/nats.md).
 *
 * Measured: a kill -9 costs 5 messages with a 50 ms reconnect wait and 1 215 with the defaults; a
 * frozen server is unseen for minutes without frequent pings; leaving a lame duck at once misses 0
 * instead of 15.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  PermissionViolationError,
  type TlsOptions,
} from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { NatsBusOptions } from "./options.ts";
import {
  finalStartError,
  isOldNats,
  isWithoutJetStream,
  toConnectError,
  withoutCredentials,
} from "./start-errors.ts";
import type { Troubles } from "./troubles.ts";

/** Wait before a reconnect and its jitter, ms. */
const RECONNECT_WAIT_MS = 50;
const RECONNECT_JITTER_MS = 50;
/** A server that leaves this many pings unanswered is left: at most 3 s. */
const PING_INTERVAL_MS = 1000;
const PING_OUT_MAX = 2;
/** JetStream must be ready within this time after the connection, and is asked this often, ms. */
const READY_MS_MAX = 30_000;
const READY_WAIT_MS = 100;
/** A server without JetStream may have neighbours with it; they are found within this, ms. */
const JETSTREAM_MS_MAX = 3000;
/** First connection must come about within this time, ms. */
const CONNECT_MS_MAX = 5000;
/** Subjects that no stream captures and nobody listens to: to learn whether we may use them. */
const PROBE_PUBLISH = [
  "tg.in.probe",
  "tg.out.probe.publish",
  "tg.seal.probe",
  "tg.ctl.probe.publish",
  "$KV.probe.key",
] as const;
const PROBE_SUBSCRIBE = ["tg.out.probe", "tg.ctl.probe"] as const;

/**
 * Connects, and checks that this is a NATS that we can use.
 *
 * @throws {CodedError} `UNAVAILABLE` when no server answers, `BUS_ACCESS_DENIED` when it refuses
 * us,
 *   `BUS_UNSUITABLE` when it is no NATS or too old; never with a credential in the text.
 */
export async function connectNats(
  options: NatsBusOptions,
  troubles: Troubles,
): Promise<NatsConnection> {
  const servers = options.servers.map(withoutCredentials).join(", ");
  const authentication = authenticationOptions(options);
  let connection: NatsConnection;
  try {
    connection = await connect({ ...connectionOptions(options), ...authentication });
  } catch (error) {
    throw toConnectError(error, servers);
  }
  try {
    const version = connection.info?.version ?? "";
    if (isOldNats(version)) {
      const detail = `NATS at ${servers} is version ${version}; 2.12 or newer is needed`;
      throw new CodedError("BUS_UNSUITABLE", detail);
    }
    await checkPermissions(connection);
  } catch (error) {
    await connection.close();
    throw error;
  }
  void followStatus(connection, troubles);
  return connection;
}

/**
 * Tries again while JetStream has no leader yet, as in a cluster that has just started.
 *
 * @throws {CodedError} `UNAVAILABLE` when it is not ready within 30 s; at once what waiting does
 * not
 *   mend.
 */
export async function untilReady<T>(
  connection: NatsConnection,
  action: () => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const final = finalStartError(error);
      if (final !== null) throw final;
      const waitedMs = performance.now() - startMs;
      const hasJetStream = connection.info?.jetstream === true || !isWithoutJetStream(error);
      if (!hasJetStream && waitedMs > JETSTREAM_MS_MAX) {
        const server = withoutCredentials(connection.getServer());
        const detail = `NATS at ${server} has no JetStream; start it with -js or jetstream { … }`;
        throw new CodedError("BUS_UNSUITABLE", detail, error);
      }
      if (waitedMs > READY_MS_MAX) throw toCoded(error);
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

function connectionOptions(options: NatsBusOptions): ConnectionOptions {
  return {
    servers: options.servers.map(withoutCredentials),
    name: `tidegate ${options.name}`,
    timeout: CONNECT_MS_MAX,
    maxReconnectAttempts: -1,
    // Credentials that are refused for a while, by one server or all, must not end a gateway.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_JITTER_MS,
    reconnectJitterTLS: RECONNECT_JITTER_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PING_OUT_MAX,
    ignoreClusterUpdates: false,
    inboxPrefix: `_INBOX.${options.name}`,
  };
}

/** @throws {CodedError} `OPTION_INVALID` naming the option, never with what is in it. */
function authenticationOptions(options: NatsBusOptions): ConnectionOptions {
  const { credentials, token } = options;
  const { user, password } = options.user === "" ? urlCredentials(options.servers) : options;
  const tls = tlsOptions(options);
  if (credentials !== "") {
    if (!/BEGIN NATS USER JWT[\s\S]+BEGIN USER NKEY SEED/.test(credentials)) {
      throw new CodedError("OPTION_INVALID", "NATS_CREDS_FILE holds no NATS credentials");
    }
    const authenticator = credsAuthenticator(new TextEncoder().encode(credentials));
    return { authenticator, ...tls };
  }
  if (token !== "") return { token, ...tls };
  return user === "" ? tls : { user, pass: password, ...tls };
}

/** User and password of the first URL that has them; the client library does not look there. */
function urlCredentials(servers: readonly string[]): { user: string; password: string } {
  for (const server of servers) {
    const match = /^(?:\w+:\/\/)?([^@:]*)(?::(.*))?@/.exec(server);
    if (match === null) continue;
    const [, user = "", password = ""] = match;
    try {
      return { user: decodeURIComponent(user), password: decodeURIComponent(password) };
    } catch {
      const detail = "NATS_URL: in user and password a % must be written as %25";
      throw new CodedError("OPTION_INVALID", detail); // without the cause, which would show them
    }
  }
  return { user: "", password: "" };
}

/** Once set, a server that would go on without TLS is refused too. */
function tlsOptions({ servers, tlsCa, tlsCert, tlsKey }: NatsBusOptions): ConnectionOptions {
  const tls: TlsOptions = {};
  if (tlsCa !== "") tls.ca = tlsCa;
  if (tlsCert !== "") tls.cert = tlsCert;
  if (tlsKey !== "") tls.key = tlsKey;
  const isAsked = servers.some((url) => url.startsWith("tls://"));
  if (!isAsked && Object.keys(tls).length === 0) return {};
  try {
    createSecureContext({ ca: tls.ca, cert: tls.cert, key: tls.key });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const names = "NATS_TLS_CA_FILE, NATS_TLS_CERT_FILE or NATS_TLS_KEY_FILE";
    throw new CodedError("OPTION_INVALID", `${names} can not be used: ${reason}`, error);
  }
  // The client library gives no host to check when a URL has an IP address; each host that we were
  // told to connect to is one we trust as much.
  const hosts = servers.map(hostOf);
  const isTrusted = (host: string, certificate: PeerCertificate) =>
    [...hosts, host].some((each) => checkServerIdentity(each, certificate) === undefined)
      ? undefined
      : checkServerIdentity(hosts[0] ?? host, certificate);
  return { tls: Object.assign(tls, { checkServerIdentity: isTrusted }) };
}

/** "[::1]" is without its brackets. */
function hostOf(url: string): string {
  const address = withoutCredentials(url).replace(/^\w+:\/\//, "");
  return address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

/** @throws {CodedError} `BUS_ACCESS_DENIED` when the user may not use our subjects. */
async function checkPermissions(connection: NatsConnection): Promise<void> {
  const refused: string[] = [];
  const note = (error: unknown) => {
    const cause = error instanceof Error ? error.cause : null;
    const violation = [error, cause].find((each) => each instanceof PermissionViolationError);
    if (violation !== undefined) refused.push(`${violation.operation} ${violation.subject}`);
  };
  const callback = (error: unknown) => {
    if (error !== null) note(error);
  };
  const subscriptions = PROBE_SUBSCRIBE.map((each) => connection.subscribe(each, { callback }));
  // Nobody responds, unless the server refuses to pass it on.
  const requests = PROBE_PUBLISH.map((subject) => connection.request(subject).catch(note));
  await Promise.all([...requests, connection.flush()]);
  for (const subscription of subscriptions) subscription.unsubscribe();
  if (refused.length === 0) return;
  const detail = `the NATS user lacks permissions: ${refused.join(", ")}`;
  throw new CodedError("BUS_ACCESS_DENIED", detail);
}

/** A server in lame duck mode will cut us soon; going at once misses nothing. */
async function followStatus(connection: NatsConnection, troubles: Troubles): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "ldm") await connection.reconnect();
    if (status.type === "error" && status.error instanceof PermissionViolationError) {
      const { operation, subject } = status.error;
      troubles.note("permission_refused", () => ({ operation, subject }));
    }
  }
}
