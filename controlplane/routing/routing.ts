/**
 * The routing stream of one control plane: its parts, and what keeps them going.
 */
import type { Server, ServiceDefinition } from "@grpc/grpc-js";
import type { Bus } from "../../bus/bus.ts";
import { RoutingServiceService } from "../../proto/gen/tidegate/control/v1/routing_service.ts";
import type { Caller } from "../access/caller.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import { type CallGate, forgiving } from "../calls.ts";
import type { Log } from "../log.ts";
import { encodeResponse } from "./config-log.ts";
import { ConfigSource } from "./config-source.ts";
import { type Directory, decideChanges, toDirectory } from "./directory.ts";
import { FleetLoads } from "./fleet-loads.ts";
import { RoutingCalls, type RoutingStream, STREAM_METHOD } from "./routing-service.ts";
import { ReportedLoads } from "./slot-loads.ts";
import { Watchers } from "./watchers.ts";

/** How often everyone is told how old the configuration may be, ms. */
export const TELL_AGE_MS = 5000;
/** How often the processes are listed for the directory, ms. */
const DIRECTORY_MS = 2000;
/** A gateway that takes nothing for so long is cut off: it is frozen, and comes again, ms. */
const STUCK_MS = 30_000;
/** Entries of one message: about 100 bytes each. */
const DIRECTORY_FRAME_COUNT = 1000;

export class Routing {
  readonly source: ConfigSource;
  readonly loads = new ReportedLoads(performance.now());
  readonly calls: RoutingCalls;
  /** The load of slots over the whole fleet. */
  readonly slotLoads: FleetLoads;
  readonly #bus: Bus;
  readonly #watchers: Watchers;

  /** Gateways that follow the configuration here. */
  get watcherCount(): number {
    return this.#watchers.count;
  }

  readonly #timers: NodeJS.Timeout[];
  #directory: Directory = new Map();
  #directoryFrames: readonly Buffer[] | null = null;
  #isListing = false;

  private constructor(bus: Bus, source: ConfigSource, audit: AuditLog, log: Log) {
    this.#bus = bus;
    this.source = source;
    const side = { age: () => this.#age(), directory: () => this.#wholeDirectory() };
    this.#watchers = new Watchers(source.log, side, () => performance.now());
    const { loads } = this;
    this.calls = new RoutingCalls({ watchers: this.#watchers, loads, audit, log });
    this.slotLoads = new FleetLoads(bus, loads, () => this.#watchers.count, log);
    source.follow(() => this.#watchers.flush());
    const tellAge = () => {
      this.#watchers.tellAge();
      this.#watchers.cutStuck(STUCK_MS);
    };
    this.#timers = [
      setInterval(tellAge, TELL_AGE_MS).unref(),
      setInterval(() => void this.#list(log), DIRECTORY_MS).unref(),
    ];
    void this.#list(log);
  }

  /** Reads the configuration; gateways may follow when it has resolved. Throws `UNAVAILABLE`. */
  static async open(bus: Bus, audit: AuditLog, log: Log): Promise<Routing> {
    return new Routing(bus, await ConfigSource.open(bus), audit, log);
  }

  addTo(server: Server, gate: CallGate): void {
    const serve = (call: RoutingStream, caller: Caller) => this.calls.serve(call, caller);
    server.addService(encoded(forgiving(RoutingServiceService)), {
      streamRouting: gate.stream(STREAM_METHOD, serve),
    });
  }

  /** Ends every stream and the watch. */
  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.calls.close();
    this.slotLoads.close();
    this.source.close();
  }

  #age(): Buffer {
    const { log, ageMs } = this.source;
    return encodeResponse({ version: BigInt(log.version), ageMs: Math.round(ageMs) });
  }

  #wholeDirectory(): readonly Buffer[] {
    this.#directoryFrames ??= directoryFrames(this.#directory, BigInt(this.source.log.version));
    return this.#directoryFrames;
  }

  /** Looks who is there, and tells what changed. */
  async #list(log: Log): Promise<void> {
    if (this.#isListing) return;
    this.#isListing = true;
    try {
      const now = toDirectory(await this.#bus.topology.processes(), Date.now() * 1000);
      const { changed, gone } = decideChanges(this.#directory, now);
      if (changed.length === 0 && gone.length === 0) return;
      const told = new Map(this.#directory);
      for (const entry of changed) told.set(entry.name, entry);
      for (const name of gone) told.delete(name);
      this.#directory = told;
      this.#directoryFrames = null;
      const change = { gateways: changed, goneGateways: gone };
      const version = BigInt(this.source.log.version);
      this.#watchers.tellDirectory(encodeResponse({ version, ...change }));
    } catch (error) {
      log.debug({ err: error }, "the processes can not be listed now");
    } finally {
      this.#isListing = false;
    }
  }
}

function directoryFrames(directory: Directory, version: bigint): Buffer[] {
  const all = [...directory.values()];
  const frames = [encodeResponse({ version, allGateways: true })];
  for (let at = 0; at < all.length; at += DIRECTORY_FRAME_COUNT) {
    const gateways = all.slice(at, at + DIRECTORY_FRAME_COUNT);
    frames[at === 0 ? 0 : frames.length] = encodeResponse({
      ...{ version, gateways, allGateways: at === 0 },
    });
  }
  return frames;
}

/** The definition of a service whose answers are encoded already. */
function encoded<Service extends ServiceDefinition>(service: Service): Service {
  const methods = Object.entries(service).map(([name, method]) => {
    return [name, { ...method, responseSerialize: (frame: Buffer) => frame }];
  });
  return Object.fromEntries(methods) as Service;
}
