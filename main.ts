/**
 * The all-in-one: gateway, control plane and embedded bus in one process. The composition root, and
 * the only file that knows every part.
 *
 * Parts are imported side by side while the store opens, and nothing before it is needed: it must
 * be ready within 700 ms of the start of the process.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Bus } from "./bus/bus.ts";
import type { Lease } from "./bus/nats/lease.ts";
import type { Authenticate } from "./gateway/auth.ts";
import type { PageFile } from "./gateway/http.ts";
import { type LogLevel, openLog, type ProcessLog } from "./log.ts";
import { natsOptions } from "./nats-options.ts";
import { readOptionFile } from "./option-file.ts";
import { helpText, type OptionValues, readOptions } from "./options.ts";
import { CodedError } from "./proto/coded-error.ts";

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(helpText());
    return;
  }
  try {
    await start(readOptions(process.env, args));
  } catch (error) {
    const coded = CodedError.from(error);
    process.stderr.write(`tidegate: [${coded.code}] ${coded.detail}\n${coded.info.fix}\n`);
    if (coded.code === "INTERNAL") console.error(error);
    process.exit(coded.code === "OPTION_INVALID" ? 2 : 1);
  }
}

async function start(options: OptionValues): Promise<void> {
  const { log } = await openLog(options.text("LOG_FORMAT"), options.text("LOG_LEVEL") as LogLevel);
  const gatewayId = options.text("GATEWAY_ID") || randomBytes(4).toString("hex");
  const parts = options.text("PARTS");
  const [{ bus, store, lease }, gateway, controlPlane] = await Promise.all([
    openBus(options, gatewayId, log),
    parts === "controlplane" ? null : prepareGateway(options, gatewayId, log),
    parts === "gateway" ? null : import("./controlplane/control-plane.ts"),
  ]);
  const [runningGateway, runningControlPlane] = await Promise.all([
    gateway?.(bus) ?? null,
    controlPlane?.startControlPlane(bus, log, {
      host: options.text("CONTROL_HOST"),
      port: options.integer("CONTROL_PORT"),
    }) ?? null,
  ]);
  announce(options, runningGateway?.port ?? null, runningControlPlane?.address ?? null, store);

  let isStopping = false;
  const stop = async (code: number) => {
    isStopping = true;
    await Promise.all([runningGateway?.close(), runningControlPlane?.close()]);
    await bus.close();
    process.exit(code);
  };
  const onSignal = async (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1); // asked twice: do not wait for anything
    log.info({ signal }, "stopping: clients are told to reconnect, the store is closed");
    await stop(0);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  if (lease !== null) {
    followLease(lease, log, () => {
      if (!isStopping) void stop(1);
    });
  }
}

/** Logs what happens to the lease; `onLost` when it is another's, and this process must end. */
function followLease(lease: Lease, log: ProcessLog, onLost: () => void): void {
  lease.onChange((state, why) => {
    const { id } = lease;
    if (state === "held") log.info({ id }, `publishing again: ${why}`);
    else if (state === "renewing") log.warn({ id }, `nothing is published: ${why}`);
    else if (state === "lost") {
      log.error({ id, code: "GATEWAY_ID_IN_USE" }, `stopping: ${why}`);
      onLost();
    }
  });
  if (lease.state === "lost") onLost();
}

/** Imports the gateway and its authentication while the bus opens. */
async function prepareGateway(options: OptionValues, gatewayId: string, log: ProcessLog) {
  const [{ startGateway }, authenticate] = await Promise.all([
    import("./gateway/gateway.ts"),
    makeAuthenticate(options),
  ]);
  const page = options.text("PAGE") === "on" ? demoPage : null;
  return (bus: Bus) =>
    startGateway(
      { bus, log, authenticate, version: readVersion(), gatewayId, page },
      gatewayOptions(options),
    );
}

/** The bus that the options ask for, and where it keeps messages, for people. */
async function openBus(
  options: OptionValues,
  gatewayId: string,
  log: ProcessLog,
): Promise<{ bus: Bus; store: string; lease: Lease | null }> {
  if (options.list("NATS_URL").length === 0) {
    const { openEmbeddedBus } = await import("./bus/embedded/embedded-bus.ts");
    const store = path.resolve(options.text("DATA_DIR"));
    const bus = await openEmbeddedBus({
      dataDir: store,
      roomMessageCountMax: options.integer("ROOM_MESSAGE_COUNT_MAX"),
      retentionMs: options.integer("RETENTION_MS"),
      storeBytesMax: options.integer("STORE_BYTES_MAX"),
    });
    return { bus, store, lease: null };
  }
  const { openNatsBus } = await import("./bus/nats/nats-bus.ts");
  const bus = await openNatsBus(natsOptions(options, gatewayId, readVersion()), log);
  return { bus, store: bus.status().detail, lease: bus.lease };
}

function gatewayOptions(options: OptionValues) {
  return {
    host: options.text("HOST"),
    port: options.integer("PORT"),
    frameBytesMax: options.integer("FRAME_BYTES_MAX"),
    roomCountMax: options.integer("ROOM_COUNT_MAX"),
    inFlightMax: options.integer("IN_FLIGHT_MAX"),
    backpressureBytesMax: options.integer("BACKPRESSURE_BYTES_MAX"),
    connectionCountMax: options.integer("CONNECTION_COUNT_MAX"),
    handshakeMs: options.integer("HANDSHAKE_MS"),
    idleTimeoutS: options.integer("IDLE_TIMEOUT_S"),
    historyPageMax: options.integer("HISTORY_PAGE_MAX"),
    allowedOrigins: options.list("ALLOWED_ORIGINS"),
    allowedHosts: options.list("ALLOWED_HOSTS"),
  };
}

async function makeAuthenticate(options: OptionValues): Promise<Authenticate> {
  const auth = await import("./gateway/auth.ts");
  switch (options.text("AUTH")) {
    case "static":
      return auth.authenticateStatic(readOptionFile(options, "AUTH_TOKENS_FILE"));
    case "jwt":
      return auth.authenticateJwt(readOptionFile(options, "AUTH_JWT_KEY_FILE"), {
        issuer: options.text("AUTH_JWT_ISSUER"),
        audience: options.text("AUTH_JWT_AUDIENCE"),
      });
    default:
      return auth.authenticateNone();
  }
}

/** The demo page, bundled on its first request. */
async function demoPage(urlPath: string): Promise<PageFile | null> {
  const { pageFile } = await import("./examples/page/serve.ts");
  return pageFile(urlPath);
}

function readVersion(): string {
  const file = path.join(import.meta.dirname, "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** Says where what is; `port` and `grpc` are null for a part that does not run here. */
function announce(
  options: OptionValues,
  port: number | null,
  grpc: string | null,
  store: string,
): void {
  const readyMs = Math.round(performance.now());
  const host = options.text("HOST");
  const http = port === null ? null : `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const url = http === null ? null : `${http.replace("http", "ws")}/ws`;
  if (options.text("LOG_FORMAT") === "json") {
    const line = { ready: true, url, http, grpc, dataDir: store, readyMs, pid: process.pid };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const auth = options.text("AUTH");
  const rows: [string, string | null][] = [
    ["page", options.text("PAGE") === "on" && http !== null ? `${http}/` : null],
    ["WebSocket", url],
    ["gRPC", grpc],
    [options.text("NATS_URL") === "" ? "data" : "bus", store],
    [
      "open to",
      auth === "none"
        ? "everyone on this machine, no one else (AUTH=none, loopback only)"
        : `holders of a token (AUTH=${auth})`,
    ],
  ];
  const shown = rows.flatMap(([name, value]) =>
    value === null ? [] : [`  ${name.padEnd(12)}${value}`],
  );
  process.stdout.write(`
  Tidegate ${readVersion()} is ready, ${readyMs} ms after its start.

${shown.join("\n")}

  try this    cli/bin/tidegatectl sub chat:lobby
              echo hello | cli/bin/tidegatectl pub chat:lobby

`);
}
