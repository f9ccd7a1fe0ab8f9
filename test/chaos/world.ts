/**
 * What a run happens in: a real 3-node NATS cluster, real gateways and a control plane, and clients
 * with real SDKs, each behind a proxy of its own.
 *
 * Gateways reach NATS through proxies too, one for each node; the nodes do not advertise
 * themselves, so no gateway finds a way around.
 */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { freePorts } from "../../deploy/nats/node.ts";
import { createRoomClass } from "../../examples/replay/room-class.ts";
import { Mover } from "./mover.ts";
import { ChaosProxy } from "./proxy.ts";
import { ServerProcess } from "./server-process.ts";

/** NATS must be whole again within this after a fault, ms; else the run fails. */
const HEALTHY_MS_MAX = 60_000;
/** Wait between two looks at it, ms. */
const HEALTHY_WAIT_MS = 100;
/** Idle time of connections, s: the least an option takes, so that ghosts end soon. */
const IDLE_TIMEOUT_S = 8;

/** A gateway and its ways to NATS, one for each node. */
export interface GatewaySite {
  readonly server: ServerProcess;
  readonly ways: readonly ChaosProxy[];
  /** Where it tells its metrics; 0: nowhere. */
  readonly adminPort: number;
}

/** A client's way to the gateways, and the client itself once it runs. */
export interface ClientSite {
  readonly name: string;
  readonly way: ChaosProxy;
  /** Which gateways it may come to, by their numbers; null: any. */
  gateways: readonly number[] | null;
  process: { freeze(): void; thaw(): void; close(): Promise<void> } | null;
}

/** How a world is made. */
export interface WorldSetup {
  /** Folder of stores and logs. */
  readonly folder: string;
  /** Folder of main.ts: the product, or a broken copy. */
  readonly root: string;
  /** Path of nats-server. */
  readonly binary: string;
  readonly nodeCount: 1 | 3;
  readonly gatewayCount: number;
  /** Whether gateways tell their metrics. Default false. */
  readonly hasMetrics?: boolean;
  /** Ways of each gateway to each node; default 1. With more it has somewhere to go. */
  readonly wayCount?: number;
  /** Starts nodes that are not like one another, instead of `nodeCount` equal ones. */
  startNats?(binary: string, folder: string): Promise<NatsCluster>;
  /** Which nodes a gateway knows, by their numbers; default all. */
  nodesOf?(gateway: number): readonly number[];
  /** Further options of the processes. */
  readonly env: Readonly<Record<string, string>>;
}

/** Class of the durable rooms of a run: its history reaches back as far as a class's can. */
export const ROOM_CLASS = "chaos";

export class World {
  readonly nats: NatsCluster;
  readonly gateways: readonly GatewaySite[];
  readonly controlPlane: ServerProcess;
  /** Straight to the nodes, for what operators do. */
  readonly admin: NatsConnection;
  readonly clients: ClientSite[] = [];
  /** Processes that ended though nobody ended them. */
  readonly deaths: string[];
  /** Folder of main.ts: the product, or a broken copy. */
  readonly root: string;
  /** Durable rooms whose slots may move. */
  movedRooms: readonly string[] = [];
  readonly #env: Readonly<Record<string, string>>;
  readonly #added: ServerProcess[] = [];
  readonly #movers = new Map<string, Promise<Mover>>();
  /** Killed ones: what their ways still hold may be delivered late, so they end with the run. */
  readonly #killedMovers: Mover[] = [];

  private constructor(
    setup: WorldSetup,
    nats: NatsCluster,
    gateways: readonly GatewaySite[],
    controlPlane: ServerProcess,
    admin: NatsConnection,
    deaths: string[],
  ) {
    this.root = setup.root;
    this.#env = setup.env;
    this.nats = nats;
    this.gateways = gateways;
    this.controlPlane = controlPlane;
    this.admin = admin;
    this.deaths = deaths;
    process.on("exit", this.#killNow);
  }

  /** Starts everything but the clients. */
  static async start(setup: WorldSetup): Promise<World> {
    const { folder, root, binary, nodeCount, gatewayCount, wayCount = 1, env } = setup;
    const natsFolder = path.join(folder, "nats");
    const nats = await (setup.startNats?.(binary, natsFolder) ??
      startNats(binary, natsFolder, nodeCount, { args: ["--no_advertise"] }));
    const deaths: string[] = [];
    const options = {
      REPLICA_COUNT: String(nodeCount),
      IDLE_TIMEOUT_S: `${IDLE_TIMEOUT_S}`,
      ...env,
    };
    const onDeath = (text: string) => deaths.push(text);
    const make = (
      name: string,
      parts: "gateway" | "controlplane",
      urls: readonly string[],
      adminPort = 0,
    ) => {
      const withUrls = { ...options, NATS_URL: urls.join(","), ADMIN_PORT: String(adminPort) };
      return new ServerProcess({ name, root, parts, env: withUrls, folder }, onDeath);
    };
    const gateways = await Promise.all(
      Array.from({ length: gatewayCount }, async (_, i) => {
        const known = nats.nodes.filter((_, node) => setup.nodesOf?.(i).includes(node) ?? true);
        const targets = known.flatMap((node) => Array.from({ length: wayCount }, () => node));
        const ways = await Promise.all(
          targets.map((node) => ChaosProxy.open(() => [node.options.port])),
        );
        const urls = ways.map(({ port }) => `nats://127.0.0.1:${port}`);
        const [adminPort = 0] = setup.hasMetrics === true ? await freePorts(1) : [];
        return { server: make(`g${i}`, "gateway", urls, adminPort), ways, adminPort };
      }),
    );
    const controlPlane = make("cp", "controlplane", nats.urls);
    const admin = await connect({
      servers: [...nats.urls],
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      pingInterval: 1000,
    });
    const world = new World(setup, nats, gateways, controlPlane, admin, deaths);
    try {
      await controlPlane.start();
      await Promise.all(gateways.map(({ server }) => server.start()));
      await createRoomClass(controlPlane.grpc, ROOM_CLASS);
      await world.untilNatsHealthy();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  /** Of the bus, for whoever opens it beside the servers. */
  get busOptions(): Readonly<Record<string, unknown>> {
    const shardBytesMax = Number(this.#env.SHARD_BYTES_MAX ?? 1024 ** 3);
    return { replicaCount: this.nats.nodes.length, shardBytesMax };
  }

  /** One more control plane, on the same bus; it ends with the world. */
  async addControlPlane(name: string): Promise<ServerProcess> {
    const { setup } = this.controlPlane;
    const onDeath = (text: string) => this.deaths.push(text);
    const added = new ServerProcess({ ...setup, name }, onDeath);
    this.#added.push(added);
    await added.start();
    return added;
  }

  /** The mover of a name, which is started when there is none. */
  mover(name: string): Promise<Mover> {
    const mover = this.#movers.get(name) ?? Mover.start(this, name);
    this.#movers.set(name, mover);
    return mover;
  }

  /** kill -9 of a mover; the next one of its name is a new process. */
  async endMover(name: string): Promise<void> {
    const mover = await this.#movers.get(name);
    this.#movers.delete(name);
    if (mover !== undefined) this.#killedMovers.push(mover);
    await mover?.kill();
  }

  /** A new client's way to whichever gateways accept. */
  async addClient(name: string): Promise<ClientSite> {
    const ports = () =>
      this.gateways
        .filter((_, gateway) => site.gateways?.includes(gateway) ?? true)
        .map(({ server }) => server.port);
    const way = await ChaosProxy.open(ports);
    const site: ClientSite = { name, way, gateways: null, process: null };
    this.clients.push(site);
    return site;
  }

  /** WebSocket URL through a client's way. */
  urlOf(site: ClientSite): string {
    return `ws://127.0.0.1:${site.way.port}/ws`;
  }

  /** Resolves when every stream and bucket has a leader and all its replicas are current. */
  async untilNatsHealthy(): Promise<void> {
    const endMs = performance.now() + HEALTHY_MS_MAX;
    let fault = "";
    while (performance.now() < endMs) {
      try {
        fault = await this.#findFault();
      } catch (error) {
        fault = String(error); // no leader, no answer: not yet
      }
      if (fault === "") return;
      await sleep(HEALTHY_WAIT_MS);
    }
    throw new Error(`NATS is not whole after ${HEALTHY_MS_MAX} ms: ${fault}`);
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    process.off("exit", this.#killNow);
    await Promise.all(this.clients.map(({ process: client }) => client?.close()));
    const movers = await Promise.allSettled([...this.#movers.values(), ...this.#killedMovers]);
    await Promise.all(
      movers.map((mover) => (mover.status === "fulfilled" ? mover.value.close() : null)),
    );
    await this.admin.close();
    await Promise.all([
      this.controlPlane.close(),
      ...this.#added.map((server) => server.close()),
      ...this.gateways.map(({ server }) => server.close()),
    ]);
    const ways = [...this.gateways.flatMap((site) => site.ways), ...this.clients.map((c) => c.way)];
    await Promise.all(ways.map((way) => way.close()));
    await this.nats.stop();
  }

  async #findFault(): Promise<string> {
    const manager = await jetstreamManager(this.admin, { timeout: 1000, checkAPI: false });
    for await (const { config, cluster } of manager.streams.list()) {
      if (config.num_replicas === 1) continue;
      if (cluster?.leader === undefined) return `${config.name} has no leader`;
      const replicas = cluster.replicas ?? [];
      const behind = replicas.find(({ current, offline }) => !current || offline === true);
      if (behind !== undefined) return `${config.name} on ${behind.name} is behind`;
      if (replicas.length < config.num_replicas - 1) return `${config.name} lacks a replica`;
    }
    return "";
  }

  /** When the run itself is ended: nothing is to outlive it. */
  readonly #killNow = () => {
    for (const { server } of this.gateways) server.killNow();
    this.controlPlane.killNow();
    for (const server of this.#added) server.killNow();
    for (const { pid, isRunning } of this.nats.nodes) {
      if (pid !== null && isRunning) process.kill(pid, "SIGKILL");
    }
  };
}
