/** GatewayService over real gRPC. */
import { hostname } from "node:os";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { CodedError } from "../../proto/coded-error.ts";
import { GatewayKind, GatewayState } from "../../proto/gen/tidegate/control/v1/gateway.ts";
import { call, refusal, testControlPlane, wrapMethods } from "./start-control-plane.ts";

test("ListGateways: the embedded bus has this process, live, without a lease", async () => {
  const { gateways: client } = await testControlPlane();
  const { gateways, nextPageToken } = await call(client, client.listGateways, {
    pageSize: 0,
    pageToken: "",
  });
  expect(nextPageToken).toBe("");
  expect(gateways).toHaveLength(1);
  expect(gateways[0]).toMatchObject({
    ...{ name: "gateways/tidegate", kind: GatewayKind.ALL, state: GatewayState.LIVE },
    ...{ host: hostname(), pid: process.pid, expireTime: undefined, routingRevision: 0n },
  });
  const { name = "" } = gateways[0] ?? {};
  const { gateway } = await call(client, client.getGateway, { name });
  expect(gateway?.incarnation).toBe(gateways[0]?.incarnation);
});

test("ListGateways: pages go by id and end, and a token is good for this listing only", async () => {
  const { gateways: client, slots } = await testControlPlane({}, (bus) =>
    wrapMethods(bus, {
      topology: wrapMethods(bus.topology, {
        processes: async () => {
          const [own] = await bus.topology.processes();
          if (own === undefined) throw new Error("no process");
          return ["a", "b", "c"].map((id) => ({ ...own, id }));
        },
      }),
    }),
  );
  const list = (pageSize: number, pageToken: string) =>
    call(client, client.listGateways, { pageSize, pageToken });
  const first = await list(2, "");
  expect(first.gateways.map(({ name }) => name)).toEqual(["gateways/a", "gateways/b"]);
  const second = await list(2, first.nextPageToken);
  expect(second.gateways.map(({ name }) => name)).toEqual(["gateways/c"]);
  expect(second.nextPageToken).toBe("");
  expect((await list(5000, "")).gateways).toHaveLength(3);
  const bad = { grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID", fields: ["page_token"] };
  expect(await refusal(list(2, "x"))).toMatchObject(bad);
  const request = { parent: "groups/0", pageSize: 1, shard: "", states: [] };
  const { nextPageToken } = await call(slots, slots.listSlots, { ...request, pageToken: "" });
  expect(await refusal(list(2, nextPageToken))).toMatchObject(bad);
});

test("GetGateway: unknown ids are NOT_FOUND, and what is no name INVALID_ARGUMENT", async () => {
  const { gateways: client } = await testControlPlane();
  const get = (name: string) => refusal(call(client, client.getGateway, { name }));
  expect(await get("gateways/none")).toMatchObject({ grpc: status.NOT_FOUND, code: "NOT_FOUND" });
  for (const name of ["", "none", "gateways/NONE"]) {
    expect(await get(name)).toMatchObject({ grpc: status.INVALID_ARGUMENT, fields: ["name"] });
  }
});

test("ListGateways: a bus that can not be asked is UNAVAILABLE, with a retry hint", async () => {
  const { gateways: client } = await testControlPlane({}, (bus) =>
    wrapMethods(bus, {
      topology: wrapMethods(bus.topology, {
        processes: () => Promise.reject(new CodedError("UNAVAILABLE", "no leader")),
      }),
    }),
  );
  const failing = call(client, client.listGateways, { pageSize: 0, pageToken: "" });
  const refused = await refusal(failing);
  expect(refused).toMatchObject({ grpc: status.UNAVAILABLE, code: "UNAVAILABLE" });
  expect(refused.retryAfterMs).toBeGreaterThan(0);
});
