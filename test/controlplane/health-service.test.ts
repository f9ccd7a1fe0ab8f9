/**
 * grpc.health.v1 over real gRPC.
 */
import { once } from "node:events";
import { credentials, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import {
  HealthClient,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health.ts";
import { call, testControlPlane, wrapMethods } from "./start-control-plane.ts";

const roomClasses = "tidegate.control.v1.RoomClassService";

function healthClient(address: string): HealthClient {
  const client = new HealthClient(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return client;
}

test("Check: SERVING overall and by service, NOT_FOUND for others", async () => {
  const { plane } = await testControlPlane();
  const client = healthClient(plane.address);
  for (const service of ["", roomClasses, "tidegate.control.v1.MessagingService"]) {
    const { status: found } = await call(client, client.check, { service });
    expect(found).toBe(ServingStatus.SERVING);
  }
  const unknown = call(client, client.check, { service: "nope" });
  await expect(unknown).rejects.toMatchObject({ code: status.NOT_FOUND });
  const { statuses } = await call(client, client.list, {});
  expect(Object.keys(statuses).sort()).toEqual([
    "",
    "flagd.sync.v1.FlagSyncService",
    "tidegate.control.v1.AuditService",
    "tidegate.control.v1.ExplainService",
    "tidegate.control.v1.FlagService",
    "tidegate.control.v1.FleetService",
    "tidegate.control.v1.GatewayService",
    "tidegate.control.v1.LimitService",
    "tidegate.control.v1.LogService",
    "tidegate.control.v1.MessagingService",
    "tidegate.control.v1.OperationService",
    "tidegate.control.v1.PlacementGroupService",
    "tidegate.control.v1.RevocationService",
    roomClasses,
    "tidegate.control.v1.RoomService",
    "tidegate.control.v1.RoutingService",
    "tidegate.control.v1.ShardService",
    "tidegate.control.v1.SlotService",
    "tidegate.control.v1.TraceService",
    "tidegate.control.v1.VersionGateService",
  ]);
});

test("Check: NOT_SERVING while the bus is away", async () => {
  let isConnected = false;
  const { plane } = await testControlPlane({}, (bus) =>
    wrapMethods(bus, { status: () => ({ isConnected, detail: "" }) }),
  );
  const client = healthClient(plane.address);
  const service = roomClasses;
  expect((await call(client, client.check, { service })).status).toBe(ServingStatus.NOT_SERVING);
  isConnected = true;
  expect((await call(client, client.check, { service })).status).toBe(ServingStatus.SERVING);
});

test("Watch: tells the state, each change, and NOT_SERVING before the end", async () => {
  let isConnected = true;
  const { plane } = await testControlPlane({}, (bus) =>
    wrapMethods(bus, { status: () => ({ isConnected, detail: "" }) }),
  );
  const watch = healthClient(plane.address).watch({ service: "" });
  const next = async () => (await once(watch, "data"))[0].status;
  expect(await next()).toBe(ServingStatus.SERVING);
  isConnected = false;
  expect(await next()).toBe(ServingStatus.NOT_SERVING);
  isConnected = true;
  expect(await next()).toBe(ServingStatus.SERVING);
  const last = next();
  const ended = once(watch, "end");
  await Promise.all([plane.close(), ended]);
  expect(await last).toBe(ServingStatus.NOT_SERVING);
});

test("Watch: an unknown service is SERVICE_UNKNOWN, and the call stays open", async () => {
  const { plane } = await testControlPlane();
  const watch = healthClient(plane.address).watch({ service: "nope" });
  watch.on("error", () => {}); // our own cancel
  const [first] = await once(watch, "data");
  expect(first.status).toBe(ServingStatus.SERVICE_UNKNOWN);
  expect(watch.closed).toBe(false);
  watch.cancel();
});
