/**
 * Gateways that follow a control plane over real gRPC streams, all in this process, and hear of
 * changes by the stream alone: their own watch of the bus is deaf.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Bus } from "../bus/bus.ts";
import { openEmbeddedBus } from "../bus/embedded/embedded-bus.ts";
import type { KeyValue } from "../bus/key-value.ts";
import { startControlPlane } from "../controlplane/control-plane.ts";
import { GatewayConfig } from "../gateway/control-link/config.ts";
import { Traffic } from "../gateway/traffic.ts";
import { CONTROL_BUCKET } from "../proto/control-bucket.ts";

/** What one change was to one gateway. */
export interface Arrival {
  readonly gateway: number;
  /** What was written. */
  readonly text: string;
  /** By performance.now(). */
  readonly atMs: number;
}

/** A control plane and its gateways. */
export interface RoutingFleet {
  /** Every change that a gateway applied, in the order of their arrival. */
  readonly arrivals: readonly Arrival[];
  /** Writes a record; resolves when it is written. */
  change(text: string): Promise<void>;
  /** Resolves when that many changes were applied, by all gateways together. */
  applied(count: number): Promise<void>;
  close(): Promise<void>;
}

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };
/** Records that are there before: gateways start with a snapshot of them. */
const KEY = "class.acme.bench";

/** Starts it; resolves when every gateway follows. */
export async function openRoutingFleet(gatewayCount: number): Promise<RoutingFleet> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-routing-"));
  const bus = await openEmbeddedBus({ dataDir });
  const plane = await startControlPlane(bus, silentLog, { port: 0 });
  const keys = await bus.keyValue(CONTROL_BUCKET);
  let revision = await keys.create(KEY, Buffer.from("first"));
  const arrivals: Arrival[] = [];
  let wake = () => {};
  const applied = async (count: number) => {
    while (arrivals.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const gateways = await Promise.all(
    Array.from({ length: gatewayCount }, (_, i) =>
      follow(bus, plane.address, `g${i}`, (text) => {
        arrivals.push({ gateway: i, text, atMs: performance.now() });
        wake();
      }),
    ),
  );
  await applied(gatewayCount);
  return {
    arrivals,
    applied,
    async change(text) {
      revision = await keys.update(KEY, Buffer.from(text), revision);
    },
    async close() {
      await Promise.all(gateways.map((gateway) => gateway.close()));
      await plane.close();
      await bus.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function follow(
  bus: Bus,
  address: string,
  id: string,
  onChange: (text: string) => void,
): Promise<GatewayConfig> {
  const config = new GatewayConfig(id, silentLog);
  config.feed.follow("class.", (_, value) => {
    onChange(Buffer.from(value ?? new Uint8Array(0)).toString());
    return null;
  });
  await config.feed.open(deafened(bus));
  config.follow({ urls: [address], token: () => "", tls: () => null }, new Traffic());
  return config;
}

/** A bus whose watches of keys tell nothing. */
function deafened(bus: Bus): Bus {
  const silence = (keys: KeyValue): KeyValue =>
    new Proxy(keys, {
      get: (target, name) => {
        if (name !== "watch") {
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        }
        return async (_: unknown, watcher: { onSynced(): void }) => {
          watcher.onSynced();
          return () => {};
        };
      },
    });
  return new Proxy(bus, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (name === "keyValue") return async (bucket: string) => silence(await bus.keyValue(bucket));
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
