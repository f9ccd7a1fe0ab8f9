/**
 * The all-in-one: gateway, control plane and bus in one process, or the parent of several that are.
 * The composition root, and the only file that knows every part.
 *
 * Parts are imported side by side while the store opens, and nothing before it is needed: it must
 * be ready within 700 ms of the start of the process.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { type Addresses, announcement, bracketed } from "./announce.ts";
import { authOptions } from "./auth-options.ts";
import type { Bus } from "./bus/bus.ts";
import type { EmbeddedBusOptions } from "./bus/embedded/options.ts";
import type { Lease } from "./bus/nats/lease.ts";
import { controlLinkOptions } from "./control-link-options.ts";
import { controlPlaneOptions } from "./control-options.ts";
import type { Gateway } from "./gateway/gateway.ts";
import type { PageFile } from "./gateway/http.ts";
import { gatewayOptions } from "./gateway-options.ts";
import { natsOptions } from "./nats-options.ts";
import { helpText, type OptionValues, readOptions } from "./options.ts";
import type { OwnMetricParts, OwnMetrics } from "./own-metrics.ts";
import { CodedError } from "./proto/coded-error.ts";
import { answerLogLevel } from "./telemetry/logs/answer-log-level.ts";
import type { LogLevel } from "./telemetry/logs/log-level.ts";
import { openLog } from "./telemetry/logs/open-log.ts";
import type { ProcessLog } from "./telemetry/logs/process-log.ts";
import type { MetricFormat } from "./telemetry/metrics/render.ts";
import { ProcessTelemetry } from "./telemetry/process-telemetry.ts";
import { answerTraces } from "./telemetry/tracing/answer-traces.ts";
import { telemetryOptions } from "./telemetry-options.ts";
import type { Admin, AdminHealth, AdminParts } from "./workers/admin.ts";
import type { ChildSpec } from "./workers/child.ts";

/** In the environment of a process that a parent has started. */
const CHILD_VARIABLE = "TIDEGATE_CHILD";
/** After its drain a child needs some 5 s to close at worst, ms; then it is killed. */
const CLOSE_MS_MAX = 15_000;

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(helpText());
    return;
  }
  try {
    const options = readOptions(process.env, args);
    if (options.integer("WORKERS") > 1) await startWorkers(options, args);
    else await startParts(options);
  } catch (error) {
    const coded = CodedError.from(error);
    process.stderr.write(`tidegate: [${coded.code}] ${coded.detail}\n${coded.info.fix}\n`);
    if (coded.code === "INTERNAL") console.error(error);
    process.exit(coded.code === "OPTION_INVALID" ? 2 : 1);
  }
}

/** Gateway, control plane or both, in this process. */
async function startParts(options: OptionValues): Promise<void> {
  const isChild = process.env[CHILD_VARIABLE] !== undefined;
  const gatewayId = options.text("GATEWAY_ID") || randomId();
  const log = await openProcessLog(options, isChild ? gatewayId : "", gatewayId);
  let isStopping = false;
  let close = async (): Promise<void> => {};
  const stop = async (code: number) => {
    if (isStopping) return;
    isStopping = true;
    await close();
    process.exit(code);
  };
  const link = isChild ? await import("./workers/link.ts") : null;
  link?.followParent(() => void stop(0));

  const parts = options.text("PARTS");
  const telemetry = new ProcessTelemetry(telemetryOptions(options));
  const [{ bus, store, lease }, gateway, controlPlane] = await Promise.all([
    openBus(options, gatewayId, log),
    parts === "controlplane"
      ? null
      : prepareGateway(options, gatewayId, { log, telemetry }, isChild),
    parts === "gateway" ? null : import("./controlplane/control-plane.ts"),
  ]);
  const [runningGateway, runningControlPlane] = await Promise.all([
    gateway?.(bus) ?? null,
    controlPlane?.startControlPlane(bus, log, controlPlaneOptions(options, gatewayId), telemetry) ??
      null,
  ]);
  answerLogLevel(bus, log);
  answerTraces(bus, telemetry.tracer);
  const at = controlLinkOptions(options, runningControlPlane);
  if (at !== null) runningGateway?.followControlPlanes(at);
  close = async () => {
    log.info({}, "stopping: clients are told to reconnect, the store is closed");
    if (lease?.state !== "lost") await runningGateway?.drain();
    await Promise.all([runningGateway?.close(), runningControlPlane?.close()]);
    await bus.close();
    await telemetry.close();
  };
  stopOnSignal(stop, () => isStopping);
  if (lease !== null) followLease(lease, log, () => void stop(1));

  const hasAdmin = isChild || options.integer("ADMIN_PORT") > 0;
  const health = await ownHealth(runningGateway, bus, () => isStopping);
  const openOwn = ownMetrics({
    ...{ id: gatewayId, bus, telemetry, log, version: readVersion() },
    tellers: [runningGateway, runningControlPlane],
    memoryMibMax: options.integer("MEMORY_MIB_MAX"),
  });
  const metrics = async (format: MetricFormat) => (await openOwn()).text(format);
  const port = runningGateway?.port ?? null;
  const page = isChild || port === null ? null : adminPage(options, port);
  const admin = hasAdmin ? await openAdmin(options, isChild, { health, metrics, page }) : null;
  const grpc = runningControlPlane?.address ?? null;
  if (link !== null && admin !== null) {
    link.tellParent({ type: "ready", port, grpc, store, adminPort: admin.port });
  } else {
    announce(options, { port, grpc, admin, store, children: [] });
  }
  const facts = { id: gatewayId, version: readVersion(), region: options.text("REGION") };
  await telemetry.startExport(facts, openOwn, log);
}

/** WORKERS: each worker and the control plane in a process of its own, on one port of clients. */
async function startWorkers(options: OptionValues, args: readonly string[]): Promise<void> {
  const [
    { Fleet },
    { askChildren, askMetrics },
    { decideFleetHealth },
    { findPort },
    { joinMetrics },
  ] = await Promise.all([
    import("./workers/fleet.ts"),
    import("./workers/admin.ts"),
    import("./workers/fleet-health.ts"),
    import("./gateway/listen.ts"),
    import("./workers/join-metrics.ts"),
  ]);
  const log = await openProcessLog(
    options,
    "",
    `${options.text("GATEWAY_ID") || "tidegate"}-parent`,
  );
  // The look that nobody else listens is made here, once: workers share the port.
  const port = await findPort(options.text("HOST"), options.integer("PORT"));
  const hasControl = options.text("PARTS") === "all";
  const wantedPort = options.integer("CONTROL_PORT");
  const controlPort = hasControl ? await findPort(options.text("CONTROL_HOST"), wantedPort) : 0;
  const fleet = new Fleet({
    log,
    children: listChildren(options, port, controlPort),
    stopMsMax: options.integer("DRAIN_DEADLINE_MS") + CLOSE_MS_MAX,
    spawn: ({ flags }) =>
      spawn(process.execPath, [...process.execArgv, import.meta.filename, ...args, ...flags], {
        env: { ...process.env, [CHILD_VARIABLE]: "1" },
        stdio: ["ignore", 2, 2, "ipc"], // stdout is the parent's alone
        detached: true, // Ctrl-C in a terminal reaches the parent, which stops them in order
      }),
  });
  stopOnSignal(
    async () => {
      log.info({}, "stopping: workers tell their clients to reconnect");
      process.exit((await fleet.close()) ? 0 : 1);
    },
    () => {
      if (fleet.isStopping) fleet.kill();
      return fleet.isStopping;
    },
  );
  const health = async () => {
    const facts = await askChildren(fleet.children);
    return decideFleetHealth(facts, ownFacts(fleet.isStopping));
  };
  const metrics = async (format: MetricFormat) =>
    joinMetrics(await askMetrics(fleet.children, format));
  const page = options.integer("ADMIN_PORT") === 0 ? null : adminPage(options, port);
  const admin = await openAdmin(options, false, { health, metrics, page });
  const ready = await fleet.start();
  const children = fleet.children.map(({ spec, pid }) => ({ id: spec.id, pid }));
  const grpc = ready.find((each) => each.grpc !== null)?.grpc ?? null;
  announce(options, { port, grpc, admin, store: ready[0]?.store ?? "", children });
}

/** The children of a parent: n workers and, unless only gateways are wanted, a control plane. */
function listChildren(options: OptionValues, port: number, controlPort: number): ChildSpec[] {
  const id = options.text("GATEWAY_ID") || randomId();
  const firstDirect = options.integer("DIRECT_PORT");
  const isOwn = options.text("PARTS") === "all" && options.list("CONTROL_URL").length === 0;
  const controlUrl = `${bracketed(options.text("CONTROL_HOST"))}:${controlPort}`;
  const followed = isOwn ? ["--control-url", controlUrl] : [];
  const flagsOf = (childId: string, parts: ChildSpec["role"], direct: number) => [
    ...["--workers", "1", "--parts", parts, "--gateway-id", childId],
    ...["--port", `${port}`, "--control-port", `${controlPort}`, "--direct-port", `${direct}`],
  ];
  const child = (role: ChildSpec["role"], suffix: string | number, direct = 0): ChildSpec => {
    const childId = `${id}-${suffix}`;
    return { id: childId, role, flags: [...flagsOf(childId, role, direct), ...followed] };
  };
  const directOf = (i: number) => (firstDirect === 0 ? 0 : firstDirect + i);
  const count = options.integer("WORKERS");
  const workers = Array.from({ length: count }, (_, i) => child("gateway", i + 1, directOf(i)));
  return options.text("PARTS") === "all" ? [...workers, child("controlplane", "cp")] : workers;
}

/** `stop` on a signal; on a second one at once. @param isStopping looked at on each signal. */
function stopOnSignal(stop: (code: number) => Promise<void>, isStopping: () => boolean): void {
  const onSignal = () => {
    if (isStopping()) process.exit(1); // asked twice: do not wait for anything
    void stop(0);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
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
async function prepareGateway(
  options: OptionValues,
  gatewayId: string,
  { log, telemetry }: { readonly log: ProcessLog; readonly telemetry: ProcessTelemetry },
  sharesPort: boolean,
) {
  const [{ startGateway }, { openAuthenticate }] = await Promise.all([
    import("./gateway/gateway.ts"),
    import("./gateway/auth/open-authenticate.ts"),
  ]);
  const { close: _, ...auth } = openAuthenticate(authOptions(options), log);
  const page = options.text("PAGE") === "on" ? demoPage : null;
  return (bus: Bus) =>
    startGateway(
      { bus, log, telemetry, ...auth, version: readVersion(), gatewayId, page },
      { ...gatewayOptions(options), sharesPort },
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
      name: gatewayId,
      parts: options.text("PARTS") as EmbeddedBusOptions["parts"],
      version: readVersion(),
      dataDir: store,
      roomMessageCountMax: options.integer("ROOM_MESSAGE_COUNT_MAX"),
      retentionMs: options.integer("RETENTION_MS"),
      storeBytesMax: options.integer("STORE_BYTES_MAX"),
      journalBytesMax: options.integer("JOURNAL_BYTES_MAX"),
    });
    return { bus, store, lease: null };
  }
  const { openNatsBus } = await import("./bus/nats/nats-bus.ts");
  const bus = await openNatsBus(natsOptions(options, gatewayId, readVersion()), log);
  return { bus, store: bus.status().detail, lease: bus.lease };
}

/** The demo page, bundled on its first request. */
async function demoPage(urlPath: string): Promise<PageFile | null> {
  const { pageFile } = await import("./examples/page/serve.ts");
  return pageFile(urlPath);
}

/** The page of an admin port, which says where clients connect; null when it is switched off. */
function adminPage(options: OptionValues, port: number): AdminParts["page"] {
  if (options.text("PAGE") !== "on") return null;
  const scheme = options.text("TLS_CERT_FILE") === "" ? "ws" : "wss";
  return async (urlPath) => {
    const [{ pageFile, withClientsAt }, { PAGE_HEADERS }] = await Promise.all([
      import("./examples/page/serve.ts"),
      import("./gateway/http.ts"),
    ]);
    const file = await pageFile(urlPath);
    if (file === null) return null;
    const { contentType, body } = urlPath === "/" ? withClientsAt(file, scheme, port) : file;
    return { headers: { "Content-Type": contentType, ...PAGE_HEADERS }, body };
  };
}

function readVersion(): string {
  const file = path.join(import.meta.dirname, "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** The metrics of this process, made when somebody asks for them: a start is short. */
function ownMetrics(parts: OwnMetricParts): () => Promise<OwnMetrics> {
  let opened: Promise<OwnMetrics> | null = null;
  return () => {
    opened ??= import("./own-metrics.ts").then(({ openMetrics }) => openMetrics(parts));
    return opened;
  };
}

/** An admin port: of this process or, with its children's health, of a parent. */
async function openAdmin(
  options: OptionValues,
  isChild: boolean,
  parts: Omit<AdminParts, "isHostAllowed">,
): Promise<Admin & { url: string }> {
  const [{ startAdmin }, { decideHost }] = await Promise.all([
    import("./workers/admin.ts"),
    import("./gateway/host-check.ts"),
  ]);
  const host = isChild ? "127.0.0.1" : options.text("ADMIN_HOST");
  const rules = {
    ...{ host, allowedOrigins: [], pagePort: 0 },
    allowedHosts: options.list("ALLOWED_HOSTS"),
  };
  const admin = await startAdmin(host, isChild ? 0 : options.integer("ADMIN_PORT"), {
    ...parts,
    isHostAllowed: (name) => decideHost(rules, name, "") === null,
  });
  return { ...admin, url: `http://${bracketed(host)}:${admin.port}` };
}

/** The health of this process: the gateway's, or that of a control plane alone. */
async function ownHealth(
  gateway: Gateway | null,
  bus: Bus,
  isStopping: () => boolean,
): Promise<() => Promise<AdminHealth>> {
  if (gateway !== null) {
    const [{ decideHealth }, { readProcess }] = await Promise.all([
      import("./gateway/health.ts"),
      import("./gateway/read-process.ts"),
    ]);
    return async () => {
      const body = decideHealth(gateway.stats(), readProcess());
      return { isReady: body.status === "ok", body };
    };
  }
  const { decideControlHealth } = await import("./controlplane/process-health.ts");
  return async () => {
    const body = decideControlHealth({ ...ownFacts(isStopping()), bus: bus.status() });
    return { isReady: body.status === "ok", body };
  };
}

/** What /health says of any process. */
function ownFacts(isStopping: boolean) {
  return {
    ...{ isStopping, version: readVersion(), nodeVersion: process.versions.node },
    ...{ pid: process.pid, rssBytes: process.memoryUsage.rss(), uptimeS: process.uptime() },
  };
}

/** @param shortId shown in text lines, which people read; JSON lines always name the process. */
function openProcessLog(options: OptionValues, shortId: string, id: string): Promise<ProcessLog> {
  const format = options.text("LOG_FORMAT");
  const name = format === "json" ? id : shortId;
  const base = name === "" ? {} : { gateway: name };
  return openLog(format, options.text("LOG_LEVEL") as LogLevel, base);
}

function announce(
  options: OptionValues,
  addresses: Omit<Addresses, "host" | "hasTls" | "admin"> & { admin: { url: string } | null },
): void {
  const text = announcement(
    {
      ...addresses,
      host: options.text("HOST"),
      hasTls: options.text("TLS_CERT_FILE") !== "",
      admin: addresses.admin?.url ?? null,
    },
    {
      isJson: options.text("LOG_FORMAT") === "json",
      hasPage: options.text("PAGE") === "on",
      hasAdminPort: options.integer("ADMIN_PORT") > 0,
      isNats: options.text("NATS_URL") !== "",
      auth: options.text("AUTH"),
      version: readVersion(),
      readyMs: Math.round(performance.now()),
    },
  );
  process.stdout.write(text);
}

function randomId(): string {
  return randomBytes(4).toString("hex");
}
