/**
 * A gateway in the test's own process, on an embedded bus in a temporary folder.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { authenticateNone } from "../../gateway/auth/authenticate.ts";
import { type Gateway, type GatewayParts, startGateway } from "../../gateway/gateway.ts";
import type { GatewayOptions } from "../../gateway/options.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import type { Hello } from "../../proto/gen/tidegate/client/v1/session.ts";
import { RoomClass } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { roomClassKey } from "../../proto/room-class.ts";
import { RawClient } from "./raw-client.ts";

/** A gateway under test. */
export interface TestGateway {
  readonly gateway: Gateway;
  readonly bus: Bus;
  readonly port: number;
  /** What was logged as a warning or error. */
  readonly logged: string[];
  /** A connected client; closed with the test. */
  client(hello?: Partial<Hello>): Promise<RawClient>;
  /** A client that has not said Hello. */
  silentClient(): Promise<RawClient>;
  /** Writes a room class as the control plane does. */
  putClass(roomClass: string, record: RoomClass): Promise<void>;
}

/** What a test may set. */
export interface TestGatewayOptions {
  readonly options?: Partial<GatewayOptions>;
  readonly parts?: Partial<GatewayParts>;
  /** Puts something between gateway and bus. */
  readonly wrapBus?: (bus: Bus) => Bus;
}

/** Starts it; everything ends with the test. */
export async function testGateway(given: TestGatewayOptions = {}): Promise<TestGateway> {
  const gateway = await openTestGateway(given);
  onTestFinished(() => gateway.close());
  return gateway;
}

/** A gateway that several tests share; the one who opened it closes it. */
export interface OpenTestGateway extends TestGateway {
  /** Ends clients, gateway and bus, and removes the folder. */
  close(): Promise<void>;
}

const calm = { loopDelayMs: 0, memoryShare: 0, busLagMs: 0 };

/** Starts it for several tests. */
export async function openTestGateway(given: TestGatewayOptions = {}): Promise<OpenTestGateway> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-gateway-"));
  const bus = await openEmbeddedBus({ dataDir });
  const logged: string[] = [];
  const note = (fields: object, text: string) => {
    const { error } = fields as { error?: unknown };
    logged.push(error instanceof Error ? `${text}: ${error.stack}` : text);
  };
  const log = { debug() {}, info() {}, warn: note, error: note };
  const gateway = await startGateway(
    {
      bus: given.wrapBus?.(bus) ?? bus,
      log,
      authenticate: authenticateNone(),
      version: "0.0.0",
      gatewayId: "test",
      // The test shares the process: what it computes is no overload of the gateway.
      readOverload: () => calm,
      ...given.parts,
    },
    { port: 0, ...given.options },
  );
  const clients: RawClient[] = [];
  const { port } = gateway;
  return {
    gateway,
    bus,
    port,
    logged,
    async client(hello = {}) {
      const client = await RawClient.open(port, hello);
      clients.push(client);
      return client;
    },
    async silentClient() {
      const client = new RawClient(port);
      clients.push(client);
      await client.opened();
      return client;
    },
    async putClass(roomClass, record) {
      const bucket = await bus.keyValue(CONTROL_BUCKET);
      const key = roomClassKey("default", roomClass);
      const value = RoomClass.encode(record).finish();
      const present = await bucket.get(key);
      if (present === null) await bucket.create(key, value);
      else await bucket.update(key, value, present.revision);
    },
    async close() {
      for (const client of clients) client.socket.terminate();
      await gateway.close();
      await bus.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
