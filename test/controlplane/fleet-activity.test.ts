/** GetActivity: what gateways say, added up, over real gRPC. */
import { credentials, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { CodedError } from "../../proto/coded-error.ts";
import {
  ActivityAnswer,
  ActivityQuestion,
} from "../../proto/gen/tidegate/bus/v1/activity_question.ts";
import { FleetServiceClient } from "../../proto/gen/tidegate/control/v1/fleet_service.ts";
import { call, refusal, testControlPlane, wrapMethods } from "./start-control-plane.ts";

type Rates = Readonly<Record<string, number>>;

/** A control plane whose gateways are made up: rates of their rooms by id; null does not answer. */
async function openFleet(gateways: Readonly<Record<string, Rates | null>>) {
  const asked: ActivityQuestion[] = [];
  const { plane } = await testControlPlane({}, (bus) => {
    const { topology } = bus;
    const processes = async () => {
      const [own] = await topology.processes();
      if (own === undefined) throw new Error("no process");
      return Object.keys(gateways).map((id) => ({ ...own, id, parts: "gateway" as const }));
    };
    const ask = async (id: string, _kind: string, body: Uint8Array) => {
      const rates = gateways[id];
      if (!rates) throw new CodedError("UNAVAILABLE", "silent");
      asked.push(ActivityQuestion.decode(body));
      const rooms = Object.entries(rates).map(([room, messageRate], at) => {
        return { tenant: at === 1 ? "acme" : "default", room, memberCount: 2, messageRate };
      });
      const entry = { tenant: "default", connection: `${id}-1`, user: "u", roomCount: 1 };
      const behindMs = Object.keys(rates).length * 1000;
      const slowConnections = [{ ...entry, behindMs, bufferedBytes: 7n }];
      return ActivityAnswer.encode({ rooms, slowConnections }).finish();
    };
    return wrapMethods(bus, { ask, topology: wrapMethods(topology, { processes }) });
  });
  const client = new FleetServiceClient(plane.address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const activity = (changes: object = {}) =>
    call(client, client.getActivity, {
      ...{ parent: "tenants/-", roomLimit: 0, connectionLimit: 0 },
      ...changes,
    });
  return { activity, asked };
}

test("rooms of all gateways: members add up, the rate is the same everywhere, most first", async () => {
  const { activity, asked } = await openFleet({
    a: { "chat:x": 5, "chat:y": 1 },
    b: { "chat:x": 4.8, "chat:z": 9, "chat:w": 0.5 },
    c: null,
  });
  const { rooms, slowConnections, silentGateways } = await activity();
  expect(rooms).toEqual([
    { tenant: "acme", room: "chat:z", memberCount: 2, gatewayCount: 1, messageRate: 9 },
    { tenant: "default", room: "chat:x", memberCount: 4, gatewayCount: 2, messageRate: 5 },
    { tenant: "acme", room: "chat:y", memberCount: 2, gatewayCount: 1, messageRate: 1 },
    { tenant: "default", room: "chat:w", memberCount: 2, gatewayCount: 1, messageRate: 0.5 },
  ]);
  expect(slowConnections.map(({ connection, gateway }) => [connection, gateway])).toEqual([
    ...[
      ["b-1", "gateways/b"],
      ["a-1", "gateways/a"],
    ],
  ]);
  expect(silentGateways).toEqual(["gateways/c"]);
  expect(asked).toEqual([0, 1].map(() => ({ tenant: "", roomLimit: 40, connectionLimit: 20 })));
});

test("limits are kept to and bounded, a tenant is passed on, no other parent is taken", async () => {
  const { activity, asked } = await openFleet({ a: { "chat:x": 5, "chat:y": 7 } });
  const one = await activity({ parent: "tenants/acme", roomLimit: 1, connectionLimit: 1 });
  expect(one.rooms.map(({ room }) => room)).toEqual(["chat:y"]);
  await activity({ roomLimit: 1000, connectionLimit: 1000 });
  expect(asked).toEqual([
    { tenant: "acme", roomLimit: 2, connectionLimit: 1 },
    { tenant: "", roomLimit: 200, connectionLimit: 100 },
  ]);
  expect(await refusal(activity({ parent: "acme" }))).toMatchObject({
    grpc: status.INVALID_ARGUMENT,
  });
});
