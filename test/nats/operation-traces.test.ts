/**
 * Operations as traces on a real NATS: the move of a slot with its steps, and the drain of a
 * gateway with its states, each in the trace whose ids follow from the operation's name.
 */
import { credentials, Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { type ControlPlane, startControlPlane } from "../../controlplane/control-plane.ts";
import { authenticateNone } from "../../gateway/auth/authenticate.ts";
import { type Gateway, startGateway } from "../../gateway/gateway.ts";
import { GatewayServiceClient } from "../../proto/gen/tidegate/control/v1/gateway_service.ts";
import { OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import { OperationServiceClient } from "../../proto/gen/tidegate/control/v1/operation_service.ts";
import {
  type MoveSlotResponse,
  SlotServiceClient,
} from "../../proto/gen/tidegate/control/v1/slot_service.ts";
import { operationContext } from "../../telemetry/tracing/operation-context.ts";
import type { SpanRecord } from "../../telemetry/tracing/span.ts";
import { RecordingTracer } from "../../telemetry/tracing/tracer.ts";
import { endOf } from "../controlplane/operations/wait-operation.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
/** Nothing is sampled: operations are recorded all the same. */
const tracers = { plane: new RecordingTracer(), gateway: new RecordingTracer() };
let nats: TestNats;
let buses: readonly Bus[] = [];
let plane: ControlPlane;
let gateways: readonly Gateway[] = [];

beforeAll(async () => {
  nats = await startTestNats(1);
  const open = (name: string, parts: "gateway" | "controlplane") =>
    openNatsBus({ servers: nats.urls, name, parts, shardCount: 2 }, log);
  buses = await Promise.all([
    ...[open("cp", "controlplane"), open("gw", "gateway"), open("other", "gateway")],
  ]);
  const [one, ...rest] = buses as [Bus, Bus, Bus];
  plane = await startControlPlane(one, log, { port: 0 }, { tracer: tracers.plane });
  const start = (bus: Bus, gatewayId: string) =>
    startGateway(
      {
        ...{ bus, log, authenticate: authenticateNone(), version: "0.0.0", gatewayId },
        telemetry: { tracer: tracers.gateway },
      },
      { port: 0 },
    );
  gateways = await Promise.all(rest.map((bus, i) => start(bus, i === 0 ? "gw" : "other")));
}, 120_000);

afterAll(async () => {
  for (const gateway of gateways) await gateway.close();
  await plane?.close();
  for (const bus of buses) await bus.close();
  await nats?.stop();
});

const insecure = credentials.createInsecure();

/** Waits for the operation's end, and gives back its name. */
async function ended(name = ""): Promise<string> {
  const operations = new OperationServiceClient(plane.address, insecure);
  const { state } = await endOf(operations, name);
  operations.close();
  expect(state).toBe(OperationState.SUCCEEDED);
  return name;
}

/** What two processes have of the operation's trace; the operation's own span is first. */
async function spansOf(name: string): Promise<SpanRecord[]> {
  const { traceId, spanId } = operationContext(name);
  const isThere = () => tracers.plane.find(traceId).some((span) => span.spanId === spanId);
  await expect.poll(isThere, { timeout: 10_000 }).toBe(true); // it is recorded once it is written
  const spans = [...tracers.plane.find(traceId), ...tracers.gateway.find(traceId)];
  return spans.sort((a, b) => Number(b.spanId === spanId) - Number(a.spanId === spanId));
}

/** Each of them begins and ends within the first one; the clocks are one machine's. */
function expectNested(outer: SpanRecord | undefined, inner: readonly SpanRecord[]): void {
  for (const span of inner) {
    expect(span.parentSpanId).toBe(outer?.spanId);
    expect([span.startUs >= (outer?.startUs ?? 0), span.endUs <= (outer?.endUs ?? 0)]).toEqual([
      ...[true, true],
    ]);
  }
}

test("MoveSlot: the operation, in it the move, in that its four steps, one after the other", async () => {
  const slots = new SlotServiceClient(plane.address, insecure);
  const slot = "groups/0/slots/7"; // of the second of two shards
  const shard = "groups/0/shards/0";
  const request = { name: slot, shard, pin: false, etag: "", validateOnly: false, requestId: "" };
  const metadata = new Metadata();
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  metadata.set("traceparent", `00-${traceId}-00f067aa0ba902b7-01`);
  const { operation } = await new Promise<MoveSlotResponse>((resolve, reject) => {
    slots.moveSlot(request, metadata, (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    );
  });
  slots.close();
  const name = await ended(operation?.name);
  const [asked] = tracers.plane.find(traceId);
  expect(asked?.attributes["tidegate.operation"]).toBe(name);
  expect(asked?.links).toEqual([operationContext(name)]);
  const [whole, ...parts] = await spansOf(name);
  expect(whole).toMatchObject({
    ...{ name: "operation moveSlot", parentSpanId: "", error: "" },
    attributes: { "tidegate.operation": name, "tidegate.operation.state": "succeeded" },
  });
  const [move, ...steps] = parts.sort((a, b) => a.startUs - b.startUs || b.endUs - a.endUs);
  expect(move).toMatchObject({
    name: "move slot",
    attributes: { "tidegate.slot": 7, "tidegate.shard": 0, "tidegate.operation": name },
  });
  expect(steps.map((step) => step.name)).toEqual([
    ...["move.prepare", "move.seal", "move.remove", "move.commit"],
  ]);
  expect(move?.parentSpanId).toBe(whole?.spanId);
  expectNested(move, steps);
  for (const [i, step] of steps.entries()) {
    expect(step.endUs).toBeLessThanOrEqual(steps[i + 1]?.startUs ?? Number.POSITIVE_INFINITY);
  }
}, 60_000);

test("DrainGateway: the gateway's span is in the operation's trace, with its states and counts", async () => {
  const client = await RawClient.open(gateways[0]?.port ?? 0);
  const service = new GatewayServiceClient(plane.address, insecure);
  const { operation } = await call(service, service.drainGateway, {
    ...{ name: "gateways/gw", announceMs: 0, deadlineMs: 500, connectionsPerSecondMax: 0 },
    ...{ validateOnly: false, requestId: "" },
  });
  service.close();
  const name = await ended(operation?.name);
  await client.closed;
  const [whole, ...parts] = await spansOf(name);
  expect(whole?.name).toBe("operation drainGateway");
  const drain = parts.find((span) => span.name === "drain gateway");
  expect(drain?.parentSpanId).toBe(whole?.spanId);
  expect(drain?.attributes).toMatchObject({
    ...{ "tidegate.gateway": "gw", "tidegate.drain.connections": 1, "tidegate.drain.left": 0 },
    "tidegate.drain.state": "drained",
  });
  const states = parts.filter((span) => span.parentSpanId === drain?.spanId);
  expect(states.map((state) => state.name)).toEqual(["drain.announcing", "drain.draining"]);
  expectNested(drain, states);
}, 60_000);
