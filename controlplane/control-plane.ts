/**
 * The control plane: a gRPC server on the bus.
 *
 * Room classes, messages, the fleet, health and reflection. It holds no state of its own: any
 * number of them may serve one bus.
 */
import { Server, type ServerCredentials, setLogger } from "@grpc/grpc-js";
import type { Bus } from "../bus/bus.ts";
import { CodedError } from "../proto/coded-error.ts";
import { HealthService } from "../proto/gen/grpc/health/v1/health.ts";
import { AuditServiceService } from "../proto/gen/tidegate/control/v1/audit_service.ts";
import { FleetServiceService } from "../proto/gen/tidegate/control/v1/fleet_service.ts";
import { GatewayServiceService } from "../proto/gen/tidegate/control/v1/gateway_service.ts";
import { LimitServiceService } from "../proto/gen/tidegate/control/v1/limit_service.ts";
import { MessagingServiceService } from "../proto/gen/tidegate/control/v1/messaging_service.ts";
import { RoomClassServiceService } from "../proto/gen/tidegate/control/v1/room_class_service.ts";
import { RoomServiceService } from "../proto/gen/tidegate/control/v1/room_service.ts";
import type { MetricSink } from "../telemetry/metrics/registry.ts";
import { NO_TELEMETRY, type Telemetry } from "../telemetry/telemetry.ts";
import type { Tracer } from "../telemetry/tracing/tracer.ts";
import { type OpenedAccess, openAccess } from "./access/open-access.ts";
import { AuditCalls } from "./audit-service.ts";
import { CallGate, forgiving, loadStatus } from "./calls.ts";
import { ClassPlacement } from "./class-placement.ts";
import { ControlStore } from "./control-store.ts";
import { DisconnectCalls } from "./disconnect-service.ts";
import { Balancer } from "./drain/balancer.ts";
import { DrainWorker } from "./drain/drain-worker.ts";
import { GatewayDrains } from "./drain/gateway-drains.ts";
import { addExplain, EXPLAIN_SERVICE, type ExplainParts } from "./explain/add-explain.ts";
import { addFlags, FLAG_SERVICES } from "./flags/flag-services.ts";
import { FleetCalls } from "./fleet-service.ts";
import { addVersionGates } from "./gates/add-version-gates.ts";
import { VERSION_GATE_SERVICE } from "./gates/version-gate-service.ts";
import { GatewayCalls } from "./gateway-service.ts";
import { HealthCalls } from "./health-service.ts";
import { LIMIT_SERVICE, LimitCalls } from "./limit-service.ts";
import type { Log } from "./log.ts";
import { addLogs, LOG_SERVICE, LogCalls } from "./log-service.ts";
import { MessagingCalls } from "./messaging-service.ts";
import { ControlCollector } from "./metrics/collect-control.ts";
import { readSnapshot } from "./operations/read-snapshot.ts";
import { type ControlPlaneOptions, validateControlPlaneOptions } from "./options.ts";
import { addPlacement, PLACEMENT_SERVICES } from "./placement-services.ts";
import { ReflectionDoor } from "./reflection-door.ts";
import { addRevocations, REVOCATION_SERVICE } from "./revocations/revocation-service.ts";
import { RoomClassCalls } from "./room-class-service.ts";
import { RoomClassStore } from "./room-class-store.ts";
import { RoomCalls } from "./room-service.ts";
import { Routing } from "./routing/routing.ts";
import { SeatSweep } from "./seat-sweep.ts";
import { StoredBytes } from "./stored-bytes.ts";
import { addTraces, TRACE_SERVICE } from "./trace-service.ts";

/** A connection that is silent for so long is pinged, and ended when it is silent as long again. */
const KEEPALIVE_MS = 10_000;

/** A running control plane. */
export interface ControlPlane {
  /** "host:port" as bound, for people and clients. */
  readonly address: string;
  readonly port: number;
  /** Writes what it tells at each reading of its metrics. */
  collect(sink: MetricSink): Promise<void>;
  /** Bearer token for the gateway of this process (`ownGatewayId`); empty if nobody is asked. */
  readonly gatewayToken: string;
  /** Looks now whether key and certificate files have changed; else it does so every 10 s. */
  refreshFiles(): void;
  /**
   * Stops accepting, lets calls in progress end within drainTimeoutMs, then ends them. Leaves the
   * bus open. Calling it twice is harmless.
   */
  close(): Promise<void>;
}

/** Full names of what is served, as health and reflection say them. */
const serviceNames = {
  control: [
    "tidegate.control.v1.RoomClassService",
    "tidegate.control.v1.MessagingService",
    "tidegate.control.v1.GatewayService",
    "tidegate.control.v1.AuditService",
    LIMIT_SERVICE,
    LOG_SERVICE,
    TRACE_SERVICE,
    REVOCATION_SERVICE,
    EXPLAIN_SERVICE,
    ...FLAG_SERVICES,
    VERSION_GATE_SERVICE,
    ...Object.values(PLACEMENT_SERVICES),
    "tidegate.control.v1.RoutingService",
    "tidegate.control.v1.RoomService",
    "tidegate.control.v1.FleetService",
  ],
  other: [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
  ],
};

/**
 * Starts a control plane; resolves when it listens.
 *
 * @param telemetry default: nothing is traced.
 * @throws {CodedError} `OPTION_INVALID`, `ADDRESS_IN_USE`, `UNAVAILABLE` (the bus).
 */
export async function startControlPlane(
  bus: Bus,
  log: Log,
  partial: Partial<ControlPlaneOptions> = {},
  telemetry: Telemetry = NO_TELEMETRY,
): Promise<ControlPlane> {
  const options = validateControlPlaneOptions(partial);
  routeLibraryLog(log);
  const opened = await openAccess(options, log);
  try {
    return await serve(bus, log, options, { ...opened, tracer: telemetry.tracer });
  } catch (error) {
    opened.stop();
    throw error;
  }
}

async function serve(
  bus: Bus,
  log: Log,
  options: ControlPlaneOptions,
  opened: OpenedAccess & { readonly tracer: Tracer },
): Promise<ControlPlane> {
  const store = await ControlStore.open(bus);
  const routing = await Routing.open(bus, store.audit, log);
  const loads = () => routing.slotLoads.observed();
  const readPlacement = () => readSnapshot({ topology: bus.topology, keys: store.keys, loads });
  const classes = new RoomClassStore(store, new ClassPlacement(store.keys, readPlacement));
  const server = makeServer(options);
  const { credentials, ownToken, tracer } = opened;
  const gate = new CallGate({ ...opened, log, countMax: options.callCountMax, audit: store.audit });
  addRoomClasses(server, gate, new RoomClassCalls(classes, options.classPageMax));
  const messaging = new MessagingCalls(bus, classes, options.historyPageMax);
  addMessaging(server, gate, messaging, new DisconnectCalls(bus, store.audit));
  const fleet = addViews(server, gate, { bus, store }, options);
  addAudit(server, gate, new AuditCalls(store.keys));
  addLimits(server, gate, new LimitCalls(store, bus));
  addLogs(server, gate, new LogCalls(bus, store.audit));
  addRevocations(server, gate, store);
  const flags = addFlags(server, gate, { store, bus, log });
  addVersionGates(server, gate, { store, bus });
  const placement = await addPlacement(server, gate, {
    ...{ bus, store, log, tracer, name: options.name, readSnapshot: readPlacement },
    workers: { drainGateway: new DrainWorker(bus) },
  });
  const works = startWorks(bus, log, options, store, tracer, () => placement.leader.isLeading);
  const drains = new GatewayDrains({ bus, store, starts: placement.starts });
  addFleet(server, gate, new GatewayCalls(bus.topology), drains);
  routing.addTo(server, gate);
  const collector = new ControlCollector({ bus, gate, fleet, placement, routing });
  const health = new HealthCalls(serviceNames.control, () => bus.status().isConnected);
  server.addService(HealthService, health.server);
  const reflection = new ReflectionDoor(log, Object.values(serviceNames).flat());
  reflection.addTo(server);
  const port = await listen(server, options, credentials).catch(async (reason) => {
    for (const work of works) work.close();
    await placement.close(); // this process shall not lead what it does not serve
    routing.close();
    throw reason;
  });
  const address = `${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`;
  log.debug({ address }, "control plane listens");
  // Now rather than in the first failing call, but after all that a start waits for.
  loadStatus().catch((reason) => log.error({ err: reason }, "status.ts can not be loaded"));
  let closing: Promise<void> | null = null;
  const stop = async () => {
    health.close();
    for (const work of works) work.close();
    await Promise.all([placement.close(), reflection.close()]); // first: another leads at once
    routing.close();
    flags.close();
    await drain(server, options.drainTimeoutMs);
    opened.stop();
    log.info({ address }, "control plane stopped");
  };
  return {
    address,
    port,
    gatewayToken: ownToken,
    refreshFiles: () => opened.refresh(),
    collect: (sink) => collector.collect(sink),
    close: () => {
      closing ??= stop();
      return closing;
    },
  };
}

function makeServer({ messageBytesMax, callCountMax }: ControlPlaneOptions): Server {
  return new Server({
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_concurrent_streams": callCountMax,
    // A frozen gateway's stream would stay, and hold what was sent to it.
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_MS,
  });
}

/** What the leader does by itself. */
function startWorks(
  bus: Bus,
  log: Log,
  options: ControlPlaneOptions,
  { keys }: ControlStore,
  tracer: Tracer,
  isLeading: () => boolean,
): readonly { close(): void }[] {
  const balancer = Balancer.start(bus, log, options, isLeading);
  const works = [SeatSweep, StoredBytes];
  return [balancer, ...works.map((Work) => new Work(bus, keys, log, isLeading, tracer))];
}

function addRoomClasses(server: Server, gate: CallGate, calls: RoomClassCalls): void {
  const service = serviceNames.control[0];
  server.addService(forgiving(RoomClassServiceService), {
    createRoomClass: gate.unary(`${service}/CreateRoomClass`, calls.create.bind(calls)),
    getRoomClass: gate.unary(`${service}/GetRoomClass`, calls.get.bind(calls)),
    listRoomClasses: gate.unary(`${service}/ListRoomClasses`, calls.list.bind(calls)),
    updateRoomClass: gate.unary(`${service}/UpdateRoomClass`, calls.update.bind(calls)),
    deleteRoomClass: gate.unary(`${service}/DeleteRoomClass`, calls.delete.bind(calls)),
  });
}

function addAudit(server: Server, gate: CallGate, calls: AuditCalls): void {
  const listAuditEntries = "tidegate.control.v1.AuditService/ListAuditEntries";
  server.addService(forgiving(AuditServiceService), {
    listAuditEntries: gate.unary(listAuditEntries, calls.list.bind(calls)),
  });
}

function addLimits(server: Server, gate: CallGate, calls: LimitCalls): void {
  server.addService(forgiving(LimitServiceService), {
    getLimit: gate.unary(`${LIMIT_SERVICE}/GetLimit`, calls.get.bind(calls)),
    listLimits: gate.unary(`${LIMIT_SERVICE}/ListLimits`, calls.list.bind(calls)),
    updateLimit: gate.unary(`${LIMIT_SERVICE}/UpdateLimit`, calls.update.bind(calls)),
    deleteLimit: gate.unary(`${LIMIT_SERVICE}/DeleteLimit`, calls.delete.bind(calls)),
  });
}

function addMessaging(
  server: Server,
  gate: CallGate,
  calls: MessagingCalls,
  ends: DisconnectCalls,
): void {
  const service = serviceNames.control[1];
  server.addService(forgiving(MessagingServiceService), {
    publish: gate.unary(`${service}/Publish`, calls.publish.bind(calls)),
    listHistory: gate.unary(`${service}/ListHistory`, calls.listHistory.bind(calls)),
    disconnectConnection: gate.unary(`${service}/DisconnectConnection`, ends.connection.bind(ends)),
    disconnectUser: gate.unary(`${service}/DisconnectUser`, ends.user.bind(ends)),
  });
}

/** Rooms, traces, users and the fleet, as gateways and shards say. */
function addViews(
  server: Server,
  gate: CallGate,
  { bus, store }: ExplainParts,
  { scaleTriggerPercent }: ControlPlaneOptions,
): FleetCalls {
  addExplain(server, gate, { bus, store });
  const calls = new RoomCalls(bus);
  const service = "tidegate.control.v1.RoomService";
  server.addService(forgiving(RoomServiceService), {
    listRooms: gate.unary(`${service}/ListRooms`, calls.list.bind(calls)),
    getRoom: gate.unary(`${service}/GetRoom`, calls.get.bind(calls)),
    listMembers: gate.unary(`${service}/ListMembers`, calls.listMembers.bind(calls)),
  });
  addTraces(server, gate, bus);
  const fleet = new FleetCalls(bus, scaleTriggerPercent / 100);
  const fleetService = "tidegate.control.v1.FleetService";
  server.addService(forgiving(FleetServiceService), {
    getScaleAdvice: gate.unary(`${fleetService}/GetScaleAdvice`, fleet.scaleAdvice.bind(fleet)),
    getActivity: gate.unary(`${fleetService}/GetActivity`, fleet.activity.bind(fleet)),
  });
  return fleet;
}

function addFleet(
  server: Server,
  gate: CallGate,
  gateways: GatewayCalls,
  drains: GatewayDrains,
): void {
  const [, , gatewayService] = serviceNames.control;
  server.addService(forgiving(GatewayServiceService), {
    listGateways: gate.unary(`${gatewayService}/ListGateways`, gateways.list.bind(gateways)),
    getGateway: gate.unary(`${gatewayService}/GetGateway`, gateways.get.bind(gateways)),
    drainGateway: gate.unary(`${gatewayService}/DrainGateway`, drains.drain.bind(drains)),
    undrainGateway: gate.unary(`${gatewayService}/UndrainGateway`, drains.undrain.bind(drains)),
  });
}

function listen(
  server: Server,
  options: ControlPlaneOptions,
  credentials: ServerCredentials,
): Promise<number> {
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return new Promise((resolve, reject) => {
    const target = `${host}:${options.port}`;
    server.bindAsync(target, credentials, (error, port) => {
      if (error === null) resolve(port);
      else if (error.message.includes("EADDRINUSE")) {
        const detail = `another process listens on ${target}; stop it or choose another port`;
        reject(new CodedError("ADDRESS_IN_USE", detail, error));
      } else reject(new CodedError("OPTION_INVALID", `cannot listen on ${target}`, error));
    });
  });
}

/** Ends within `timeoutMs`: calls that still run then are cut. */
function drain(server: Server, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, timeoutMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** What grpc-js has to say goes where everything goes, not to the console. */
function routeLibraryLog(log: Log): void {
  const pass = (...words: unknown[]) => log.warn({ source: "grpc-js" }, words.join(" "));
  setLogger({ error: pass, info: pass, debug: pass });
}
