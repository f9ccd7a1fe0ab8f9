/**
 * The all-in-one: gateway, control plane and embedded bus in one process. The composition root, and the
 * only file that knows every part.
 *
 * Parts are imported side by side while the store opens, and nothing before it is needed: it must be
 * ready within 700 ms of the start of the process.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Authenticate } from "./gateway/auth.ts";
import type { PageFile } from "./gateway/http.ts";
import { type LogLevel, openLog } from "./log.ts";
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
  const dataDir = path.resolve(options.text("DATA_DIR"));
  const [bus, { startGateway }, { startControlPlane }, authenticate] = await Promise.all([
    import("./bus/embedded/embedded-bus.ts").then(({ openEmbeddedBus }) =>
      openEmbeddedBus({
        dataDir,
        roomMessageCountMax: options.integer("ROOM_MESSAGE_COUNT_MAX"),
        retentionMs: options.integer("RETENTION_MS"),
        storeBytesMax: options.integer("STORE_BYTES_MAX"),
      }),
    ),
    import("./gateway/gateway.ts"),
    import("./controlplane/control-plane.ts"),
    makeAuthenticate(options),
  ]);
  const gatewayId = options.text("GATEWAY_ID") || randomBytes(4).toString("hex");
  const page = options.text("PAGE") === "on" ? demoPage : null;
  const [gateway, controlPlane] = await Promise.all([
    startGateway(
      { bus, log, authenticate, version: readVersion(), gatewayId, page },
      gatewayOptions(options),
    ),
    startControlPlane(bus, log, {
      host: options.text("CONTROL_HOST"),
      port: options.integer("CONTROL_PORT"),
    }),
  ]);
  announce(options, gateway.port, controlPlane.address, dataDir);

  let isStopping = false;
  const stop = async (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1); // asked twice: do not wait for anything
    isStopping = true;
    log.info({ signal }, "stopping: clients are told to reconnect, the store is closed");
    await Promise.all([gateway.close(), controlPlane.close()]);
    await bus.close();
    process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
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

function readOptionFile(
  options: OptionValues,
  name: "AUTH_TOKENS_FILE" | "AUTH_JWT_KEY_FILE",
): string {
  const file = options.text(name);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CodedError("OPTION_INVALID", `${name}: ${file} can not be read`, error);
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

function announce(options: OptionValues, port: number, grpc: string, dataDir: string): void {
  const readyMs = Math.round(performance.now());
  const host = options.text("HOST");
  const http = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const url = `${http.replace("http", "ws")}/ws`;
  if (options.text("LOG_FORMAT") === "json") {
    const line = { ready: true, url, http, grpc, dataDir, readyMs, pid: process.pid };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const auth = options.text("AUTH");
  const access =
    auth === "none"
      ? "everyone on this machine, no one else (AUTH=none, loopback only)"
      : `holders of a token (AUTH=${auth})`;
  const page = options.text("PAGE") === "on" ? `\n  page        ${http}/` : "";
  process.stdout.write(`
  Tidegate ${readVersion()} is ready, ${readyMs} ms after its start.
${page}
  WebSocket   ${url}
  gRPC        ${grpc}
  data        ${dataDir}
  open to     ${access}

  try this    npx tidegatectl sub chat:lobby
              echo hello | npx tidegatectl pub chat:lobby

`);
}
