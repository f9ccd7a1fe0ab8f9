/**
 * The gateway: a uWebSockets.js server that puts clients into rooms.
 *
 * This file wires the parts and listens; connections.ts follows the life of connections, frames/
 * has what each frame does, local-room.ts what a room does, lagging.ts what a slow member costs.
 */
import type { Bus } from "../bus/bus.ts";
import { ServingState } from "../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { memoryBytesMax } from "../telemetry/memory-bytes.ts";
import type { MetricSink } from "../telemetry/metrics/registry.ts";
import { NO_TELEMETRY, type Telemetry } from "../telemetry/telemetry.ts";
import { type Anchors, Withdrawals } from "./auth/anchors.ts";
import type { Authenticate } from "./auth/authenticate.ts";
import type { KeyStatus } from "./auth/key-source.ts";
import { followRevocations } from "./auth/revocation-watch.ts";
import { Revocations } from "./auth/revocations.ts";
import { TokenWatch } from "./auth/token-watch.ts";
import { CatchUp } from "./catch-up.ts";
import { Classes } from "./classes.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { ConnectionLog } from "./connection-log.ts";
import { Connections } from "./connections.ts";
import { contextOf, type GatewayContext } from "./context.ts";
import type { Addresses } from "./control-link/addresses.ts";
import { GatewayConfig } from "./control-link/config.ts";
import type { ControlFeed } from "./control-link/control-feed.ts";
import type { ControlLinkOptions } from "./control-link/control-link.ts";
import { followCutOff } from "./cut-off.ts";
import { Dispatch } from "./dispatch.ts";
import { followCutOffMoves } from "./drain/cut-off-move.ts";
import { Directory } from "./drain/directory.ts";
import { Drain } from "./drain/drain.ts";
import { answerDrainOrders } from "./drain/orders.ts";
import { ClientPort } from "./edge/client-port.ts";
import { Redirects } from "./edge/redirects.ts";
import { announceGateway } from "./facts/announcer.ts";
import { Fanout, type TopicOutput } from "./fanout.ts";
import { ClientFlags } from "./flags/client-flags.ts";
import { startFlags } from "./flags/start-flags.ts";
import { followGates } from "./gates/apply-gates.ts";
import { Gates } from "./gates/gates.ts";
import { guardCounters, openGuards } from "./guards.ts";
import { decideHealth, decideStatus, type HealthFacts } from "./health.ts";
import type { Health, PageSource } from "./http.ts";
import { ClientJournal } from "./journal/client-journal.ts";
import { Lagging } from "./lagging.ts";
import { Listeners } from "./listeners.ts";
import type { Log } from "./log.ts";
import { collectGateway, type GatewayReadings } from "./metrics/collect-gateway.ts";
import { Meters } from "./metrics/meters.ts";
import { type GatewayOptions, validateGatewayOptions } from "./options.ts";
import type { ReadOverload } from "./overload/overload.ts";
import { applyClassChange } from "./policy-change.ts";
import { Profiles } from "./profiles.ts";
import { PublishLog } from "./publish-log.ts";
import { Publisher } from "./publisher.ts";
import { answerQuestions } from "./questions/answer-questions.ts";
import { readProcess } from "./read-process.ts";
import { Readiness } from "./readiness.ts";
import { ResumeReads } from "./resume-reads.ts";
import { Rooms } from "./rooms.ts";
import { Limits } from "./seats/limits.ts";
import { Seats } from "./seats/seats.ts";
import { SessionTokens } from "./seats/session-token.ts";
import { Upkeep } from "./seats/upkeep.ts";
import { Sender } from "./sender.ts";
import { MessageTraces } from "./tracing/message-traces.ts";
import { TraceRatios } from "./tracing/trace-ratios.ts";
import { Traffic } from "./traffic.ts";

/** What a gateway works with; each is made by the composition root. */
export interface GatewayParts {
  readonly bus: Bus;
  readonly log: Log;
  readonly authenticate: Authenticate;
  /** Of the keys that tokens are checked with, for /health; null or left out: there are none. */
  readonly keyStatus?: (() => KeyStatus) | null;
  /** What tokens are good by; null or left out: nothing that could be withdrawn. */
  readonly anchors?: Anchors | null;
  /** Version of Tidegate, semantic. */
  readonly version: string;
  /** Name of this gateway, 1 to 32 of [a-z0-9-]: prefix of its connection ids. */
  readonly gatewayId: string;
  /** Files of the demo page; null for none. */
  readonly page?: PageSource | null;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** How overload is measured. Default: this process is. */
  readonly readOverload?: ReadOverload;
  /** Default: none. */
  readonly telemetry?: Telemetry;
}

/** A running gateway. */
export interface Gateway {
  /** The port it listens on. */
  readonly port: number;
  /** Counters and state, as /health shows them. */
  stats(): HealthFacts;
  /** Writes what it tells at each reading of its metrics. */
  collect(sink: MetricSink): void;
  /** What /readyz says. */
  status(): Health["status"];
  /** Follows control planes beside the bus; not needed, and waited for by nobody. Called once. */
  followControlPlanes(at: ControlLinkOptions): void;
  /**
   * Before {@link close}: says that this gateway ends, and moves its clients to others, as the
   * options say; done at once where nobody else takes clients.
   */
  drain(): Promise<void>;
  /**
   * Tells every client to go (4003 SERVER_STOPPING, which reconnects) and stops listening. Appends
   * under way are left to the bus's own close. Calling it again gives the same promise.
   */
  close(): Promise<void>;
}

/**
 * Starts a gateway and resolves when it listens.
 *
 * @throws {CodedError} `OPTION_INVALID`, `ADDRESS_IN_USE`, or what the bus throws.
 */
export async function startGateway(
  parts: GatewayParts,
  partialOptions: Partial<GatewayOptions>,
): Promise<Gateway> {
  const options = validateGatewayOptions(partialOptions);
  const { bus, log, clock = systemClock } = parts;
  const config = new GatewayConfig(parts.gatewayId, log);
  const { feed } = config;
  const followers = makeFollowers(feed);
  const [tokens] = await Promise.all([SessionTokens.open(bus), feed.open(bus)]);
  const port = new ClientPort(options, clock, log, () => status() === "ok");
  const assembled = assemble(parts, options, port.apps, {
    ...{ ...followers, tokens, addresses: config.addresses },
  });
  const { context, connections } = assembled;
  const upkeep = followPolicies(context, followers.classes, connections);
  let isStopping = false;
  const readyFacts = () => ({
    ...{ isStopping, drain: drain.status, config: config.status, bus: bus.status() },
    connectionCount: connections.count,
    connectionCountMax: options.connectionCountMax,
  });
  const status = () => decideStatus(readyFacts());
  const stats = (): HealthFacts => ({
    ...{ ...readyFacts(), edge: port.status, keys: parts.keyStatus?.() ?? null },
    ...readCounts(assembled),
  });
  const drain = new Drain({
    ...{ context, connections },
    announce: (state) => announcer.setState(state),
    setSharedPort: (isOpen) => listeners.setShared(isOpen),
  });
  port.route(
    { connections, dispatch: new Dispatch(context) },
    { health: () => decideHealth(stats(), readProcess()), status, page: parts.page ?? null },
  );
  const read = meterReader(assembled);
  const listeners = await Listeners.open(port.apps.listener, options);
  const announcer = announceGateway(assembled, config.feed);
  context.journal.start(() => connections.count);
  const stops = startFollowing(assembled, drain);
  const close = async () => {
    isStopping = true;
    for (const stop of stops) stop();
    drain.close();
    announcer.setState(ServingState.STOPPED);
    listeners.close();
    await connections.closeAll();
    context.journal.stop();
    announcer.close();
    await config.close();
    for (const each of [upkeep, ...closable(context)]) each.close();
    await context.seats.stop();
    port.close();
  };
  let closed: Promise<void> | null = null;
  return {
    port: listeners.port,
    ...{ stats, status },
    collect: (sink) => collectGateway(sink, stats(), read()),
    followControlPlanes: (at) => config.follow(at, context.traffic, context.telemetry.tracer),
    drain: () => drain.end(),
    close() {
      closed ??= close(); // uWebSockets.js does not survive a second close of a listener
      return closed;
    },
  };
}

/** What follows the configuration: made before it is opened. */
function makeFollowers(feed: ControlFeed) {
  const quotas = { classes: new Classes(feed), limits: new Limits(feed), gates: new Gates(feed) };
  return { ...quotas, flags: new ClientFlags(feed), revocations: new Revocations(feed) };
}

/** What goes on by itself from now on; each is called to end it. */
function startFollowing(
  { context, connections, lagging }: ReturnType<typeof assemble>,
  drain: Drain,
) {
  return [
    followCutOff(context, connections.all()),
    followCutOffMoves(context, drain),
    answerDrainOrders(context, drain, () => connections.count),
    answerQuestions(context, connections.all(), lagging),
    ...applyChanges(context, connections.all()),
  ];
}

/** What takes changes of the configuration to the connections that are open. */
function applyChanges(context: GatewayContext, connections: ReadonlySet<Connection>) {
  context.tokenWatch.followWithdrawals(connections);
  const parts = [followGates, startFlags, followRevocations];
  return parts.map((follow) => follow(context, connections));
}

/** What has timers or work of its own. */
function closable({ publisher, rooms, guards, tokenWatch }: GatewayContext) {
  return [publisher, rooms, guards, tokenWatch];
}

/** What can be read of the parts at any time. */
function readCounts({ context, fanout, lagging }: ReturnType<typeof assemble>) {
  const { rooms, publisher, version, gatewayId } = context;
  return {
    ...{ version, gatewayId },
    roomCount: rooms.count,
    memberCount: rooms.memberCount,
    laneCount: publisher.laneCount,
    fannedOutCount: fanout.messageCount,
    laggedCount: lagging.count,
    lossCount: fanout.lossCount,
    seats: context.seats.counters(),
    endingTokenCount: context.tokenWatch.count,
    revocationCount: context.revocations.count,
    gates: context.gates.counters(),
    limits: guardCounters(context.guards),
    overload: context.guards.overload.status,
    admission: context.guards.admission.status,
    flags: context.flags.status,
  };
}

/** What metrics tell beside it. Made before there is a connection, to know what memory is then. */
function meterReader({
  context,
  connections,
  lagging,
}: ReturnType<typeof assemble>): () => GatewayReadings {
  const { meters, sender, seats, options } = context;
  const max = memoryBytesMax(options.memoryMibMax);
  const atStart = process.memoryUsage.rss();
  return () => ({
    meters,
    openedCount: connections.openedCount,
    slowCount: lagging.behindCount,
    holdingCount: sender.holdingCount,
    permits: seats.permits.counts(),
    memory: { rss: process.memoryUsage.rss(), atStart, max },
  });
}

/** Applies changes of classes and limits to those who are here. */
function followPolicies(
  context: GatewayContext,
  classes: Classes,
  connections: Connections,
): Upkeep {
  const upkeep = new Upkeep(context, connections.all());
  classes.follow((tenant, roomClass) => {
    applyClassChange(context, classes, connections.all(), tenant, roomClass);
    upkeep.applyClass(tenant, roomClass);
  });
  return upkeep;
}

/** What is open before the rest is made. */
interface AssembleParts {
  readonly classes: Classes;
  readonly limits: Limits;
  readonly gates: Gates;
  readonly revocations: Revocations;
  readonly tokens: SessionTokens;
  readonly flags: ClientFlags;
  readonly addresses: Addresses;
}

/** Makes the parts that work on connections and rooms, and joins them. */
function assemble(
  parts: GatewayParts,
  options: GatewayOptions,
  output: TopicOutput,
  { classes, limits, gates, revocations, tokens, flags, addresses }: AssembleParts,
) {
  const { bus, log, gatewayId, version, authenticate } = parts;
  const clock = parts.clock ?? systemClock;
  const journal = new ClientJournal({
    journal: bus.journal,
    gatewayId,
    nowUs: () => clock.nowUs(),
  });
  const connectionLog = new ConnectionLog(log, gatewayId);
  const publishLog = new PublishLog();
  const lagging = new Lagging(publishLog, (connection, error) => sender.close(connection, error));
  const meters = new Meters();
  const { messages: meter } = meters;
  const sender: Sender = new Sender(lagging, options.backpressureBytesMax, meters.clients);
  const { tracer } = parts.telemetry ?? NO_TELEMETRY;
  const ratios = new TraceRatios(tracer, (...of) => contextOf(context, ...of));
  const traces = new MessageTraces(tracer, gatewayId, ratios);
  const fanout = new Fanout({
    ...{ output, publishLog, lagging, log, traces, journal, meter, clock },
  });
  const rooms = new Rooms(bus, classes, fanout, meter);
  const readOverload = parts.readOverload ?? null;
  const { region, advertiseUrl } = options;
  const directory = new Directory(
    { bus, log, clock, addresses },
    { id: gatewayId, region, url: advertiseUrl },
  );
  const context: GatewayContext = {
    telemetry: parts.telemetry ?? NO_TELEMETRY,
    ...{ bus, log, connectionLog, clock, options, sender, rooms, gatewayId, version, authenticate },
    readiness: new Readiness(bus),
    directory,
    redirects: new Redirects(directory, region),
    catchUp: new CatchUp(bus, sender, connectionLog, journal, meter, traces.reads),
    journal,
    resumeReads: new ResumeReads(bus),
    publisher: new Publisher(bus, clock, sender, traces, connectionLog, meter),
    traces,
    traffic: new Traffic(),
    meters,
    guards: openGuards({ bus, clock, log, connectionLog, options, limits, sender, readOverload }),
    profiles: new Profiles(),
    gates,
    tokenWatch: new TokenWatch(clock, sender, new Withdrawals(parts.anchors ?? null)),
    refreshing: new Set(),
    revocations,
    hasAnonymousAccess: (tenant) => classes.hasAnonymousAccess(tenant),
    flags,
    limits,
    seats: new Seats({
      ...{ bus, log, limits, tokens, sender, holdMs: options.seatHoldMs },
      hasRoomLimit: (tenant) => classes.hasMemberLimit(tenant),
    }),
  };
  return { context, connections: new Connections(context, lagging), fanout, lagging };
}
