/**
 * DrainGateway through gRPC: an operation that runs, is paused, resumed and aborted, is undrained,
 * and the refusals; on a real NATS with real gateways.
 */
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type {
  DrainGatewayRequest,
  DrainGatewayResponse,
} from "../../proto/gen/tidegate/control/v1/gateway_service.ts";
import { GatewayServiceClient } from "../../proto/gen/tidegate/control/v1/gateway_service.ts";
import { type Operation, OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import type { GetOperationResponse } from "../../proto/gen/tidegate/control/v1/operation_service.ts";
import { OperationServiceClient } from "../../proto/gen/tidegate/control/v1/operation_service.ts";
import { RawClient } from "../gateway/raw-client.ts";
import type { Server } from "../start-server.ts";
import { healthOf, startGateway, waitForTargets } from "./drain-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;
let drained: Server;
let other: Server;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 120_000);

afterAll(() => nats?.stop());

/** One call, as a promise. */
const call = <Answer>(
  ask: (done: (error: Error | null, answer: Answer) => void) => unknown,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    ask((error, answer) => (error === null ? resolve(answer) : reject(error)));
  });

test("DrainGateway: runs, is paused, resumed and aborted, and once more to its end", async () => {
  [drained, other] = await Promise.all([
    startGateway(nats.urls, { GATEWAY_ID: "drained" }),
    startGateway(nats.urls, { GATEWAY_ID: "other" }),
  ]);
  await waitForTargets([drained, other]);
  const clients = await Promise.all(Array.from({ length: 30 }, () => RawClient.open(drained.port)));
  const gateways = new GatewayServiceClient(other.grpc, credentials.createInsecure());
  const operations = new OperationServiceClient(other.grpc, credentials.createInsecure());
  onTestFinished(() => {
    for (const client of clients) client.socket.terminate();
    for (const service of [gateways, operations]) service.close();
  });
  const request: DrainGatewayRequest = {
    ...{ name: "gateways/drained", connectionsPerSecondMax: 5, announceMs: 0 },
    ...{ deadlineMs: 600_000, validateOnly: false, requestId: "" },
  };
  const drain = (rest: Partial<DrainGatewayRequest> = {}) =>
    call<DrainGatewayResponse>((done) => gateways.drainGateway({ ...request, ...rest }, done));
  const begin = async (rest: Partial<DrainGatewayRequest> = {}) => {
    const { operation } = await drain(rest);
    if (operation === undefined) throw new Error("no operation");
    return operation.name;
  };
  const until = (name: string, test: (operation: Operation) => boolean) =>
    vi.waitUntil(
      async () => {
        const { operation } = await call<GetOperationResponse>((done) =>
          operations.getOperation({ name }, done),
        );
        return operation !== undefined && test(operation) ? operation : null;
      },
      { timeout: 30_000, interval: 200 },
    );
  const readyz = async () => (await fetch(`${drained.http}/readyz`)).status;

  await expect(drain({ name: "gateways/nobody" })).rejects.toThrow("nobody");
  await expect(drain({ announceMs: 600_000 })).rejects.toThrow("announce_ms");
  await expect(drain({ connectionsPerSecondMax: 1_000_000 })).rejects.toThrow("100000");
  const { operation: checked } = await drain({ validateOnly: true });
  expect([checked?.name, await readyz()]).toEqual(["", 200]);

  const name = await begin();
  await until(name, ({ detail }) => detail.includes("were told to go"));
  expect(await readyz()).toBe(503);
  await expect(drain()).rejects.toThrow("runs already");
  const steer = { name, etag: "", validateOnly: false, requestId: "" };
  await call((done) => operations.pauseOperation(steer, done));
  await until(name, ({ detail }) => detail.includes("serves again"));
  expect(await readyz()).toBe(200);
  await call((done) => operations.resumeOperation(steer, done));
  await until(name, ({ detail }) => detail.includes("were told to go"));
  expect(await readyz()).toBe(503);
  await call((done) => operations.abortOperation(steer, done));
  await until(name, ({ state }) => state === OperationState.ABORTED);
  expect((await healthOf(drained)).drain.state).toBe("serving");

  const second = await begin({ connectionsPerSecondMax: 0 });
  for (const client of clients) void client.next("goAway").then(() => client.socket.close(1000));
  const ended = await until(second, ({ state }) => state === OperationState.SUCCEEDED);
  expect(ended).toMatchObject({ doneCount: ended.stepCount });
  expect(await readyz()).toBe(503);
  await expect(drain({ name: "gateways/other" })).rejects.toThrow("nowhere to go");
  const undrain = { name: "gateways/drained", validateOnly: false, requestId: "" };
  await call((done) => gateways.undrainGateway(undrain, done));
  expect(await readyz()).toBe(200);
}, 120_000);
