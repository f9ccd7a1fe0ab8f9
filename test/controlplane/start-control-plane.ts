/**
 * A control plane in the test's own process, on an embedded bus in a temporary folder, and real
 * gRPC clients for it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type CallOptions,
  type Client,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import type { KeyValue } from "../../bus/key-value.ts";
import { type ControlPlane, startControlPlane } from "../../controlplane/control-plane.ts";
import type { ControlPlaneOptions } from "../../controlplane/options.ts";
import { BadRequest, ErrorInfo, RetryInfo } from "../../proto/gen/google/rpc/error_details.ts";
import { Status } from "../../proto/gen/google/rpc/status.ts";
import { GatewayServiceClient } from "../../proto/gen/tidegate/control/v1/gateway_service.ts";
import { MessagingServiceClient } from "../../proto/gen/tidegate/control/v1/messaging_service.ts";
import { RoomClass } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { RoomClassServiceClient } from "../../proto/gen/tidegate/control/v1/room_class_service.ts";

import { ShardServiceClient } from "../../proto/gen/tidegate/control/v1/shard_service.ts";
import { SlotServiceClient } from "../../proto/gen/tidegate/control/v1/slot_service.ts";

/** A control plane under test. */
export interface TestControlPlane {
  readonly plane: ControlPlane;
  readonly bus: Bus;
  readonly classes: RoomClassServiceClient;
  readonly messaging: MessagingServiceClient;
  readonly gateways: GatewayServiceClient;
  readonly shards: ShardServiceClient;
  readonly slots: SlotServiceClient;
  /** What was logged as an error. */
  readonly errors: object[];
}

/** Starts it; everything ends with the test. */
export async function testControlPlane(
  options: Partial<ControlPlaneOptions> = {},
  wrapBus: (bus: Bus) => Bus = (bus) => bus,
): Promise<TestControlPlane> {
  const opened = await openControlPlane(options, wrapBus);
  onTestFinished(() => opened.close());
  return opened;
}

/** Starts it for several tests; the one who opened it closes it. */
export async function openControlPlane(
  options: Partial<ControlPlaneOptions> = {},
  wrapBus: (bus: Bus) => Bus = (bus) => bus,
): Promise<TestControlPlane & { close(): Promise<void> }> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-control-"));
  const bus = await openEmbeddedBus({ dataDir });
  const errors: object[] = [];
  const ignore = () => {};
  const error = (fields: object) => errors.push(fields);
  const log = { debug: ignore, info: ignore, warn: ignore, error };
  const closeBus = async () => {
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  const plane = await startControlPlane(wrapBus(bus), log, { port: 0, ...options }).catch(
    async (reason) => {
      await closeBus();
      throw reason;
    },
  );
  const insecure = credentials.createInsecure();
  const clients = {
    classes: new RoomClassServiceClient(plane.address, insecure),
    messaging: new MessagingServiceClient(plane.address, insecure),
    gateways: new GatewayServiceClient(plane.address, insecure),
    shards: new ShardServiceClient(plane.address, insecure),
    slots: new SlotServiceClient(plane.address, insecure),
  };
  const close = async () => {
    for (const client of Object.values(clients)) client.close();
    await plane.close();
    await closeBus();
  };
  return { plane, bus, ...clients, errors, close };
}

/** A unary method of a generated client. */
type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** Calls a method; rejects with the ServiceError. */
export function call<Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 20_000 };
    method.call(client, request, new Metadata(), options, (error, response) =>
      error === null ? resolve(response) : reject(error),
    );
  });
}

/** What a failed call said. */
export interface Refusal {
  /** gRPC status number. */
  readonly grpc: number;
  /** Code of proto/errors.json. */
  readonly code: string;
  readonly domain: string;
  readonly message: string;
  /** Fields of BadRequest. */
  readonly fields: readonly string[];
  /** Milliseconds of RetryInfo, or null. */
  readonly retryAfterMs: number | null;
}

/** The refusal of a call that must fail. */
export async function refusal(failing: Promise<unknown>): Promise<Refusal> {
  const error = await failing.then(
    () => {
      throw new Error("the call did not fail");
    },
    (reason: ServiceError) => reason,
  );
  if (!("metadata" in error)) throw error;
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  const status = Status.decode(encoded as Buffer);
  const detail = (type: string) =>
    status.details.find((any) => any.typeUrl === `type.googleapis.com/google.rpc.${type}`)?.value;
  const info = ErrorInfo.decode(detail("ErrorInfo") ?? Buffer.alloc(0));
  const fields = BadRequest.decode(detail("BadRequest") ?? Buffer.alloc(0)).fieldViolations;
  const retry = detail("RetryInfo");
  const delay = retry === undefined ? null : RetryInfo.decode(retry).retryDelay;
  return {
    grpc: error.code,
    code: info.reason,
    domain: info.domain,
    message: error.details,
    fields: fields.map(({ field }) => field),
    retryAfterMs:
      delay === undefined || delay === null
        ? null
        : Number(delay.seconds) * 1000 + delay.nanos / 1_000_000,
  };
}

/** A class with these fields; the others as if not sent. */
export function roomClass(fields: Partial<RoomClass>): RoomClass {
  return { ...RoomClass.decode(new Uint8Array(0)), ...fields };
}

/** A bus whose room classes go through `wrap`. */
export function wrapKeys(bus: Bus, wrap: (keys: KeyValue) => Partial<KeyValue>): Bus {
  return wrapMethods(bus, {
    keyValue: async (bucket) => {
      const keys = await bus.keyValue(bucket);
      return wrapMethods(keys, wrap(keys));
    },
  });
}

/** An object with some methods replaced. */
export function wrapMethods<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      if (Object.hasOwn(replaced, name)) return Reflect.get(replaced, name);
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
