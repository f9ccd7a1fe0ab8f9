/**
 * The server around the services: limits, faults, malformed requests, and its end.
 */
import { once } from "node:events";
import http2 from "node:http2";
import { type Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { startControlPlane } from "../../controlplane/control-plane.ts";
import { RoomClassServiceClient } from "../../proto/gen/tidegate/control/v1/room_class_service.ts";
import { call, refusal, testControlPlane, wrapKeys, wrapMethods } from "./start-control-plane.ts";

const chat = { name: "tenants/default/roomClasses/chat" };

/** Sends bytes as a request of a method, past the generated encoder. */
function rawCall(client: Client, path: string, bytes: Buffer) {
  const pass = (value: Buffer) => value;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, pass, pass, bytes, new Metadata(), {}, (error, value) =>
      error === null ? resolve(value) : reject(error),
    );
  });
}

test("startControlPlane: bytes that do not decode are INVALID_ARGUMENT", async () => {
  const { classes } = await testControlPlane();
  const path = "/tidegate.control.v1.RoomClassService/GetRoomClass";
  const bodies = ["0aff", "0a05616263", "0a02c328", "ffffffffffffffffffff01"];
  for (const bytes of bodies) {
    const refused = await refusal(rawCall(classes, path, Buffer.from(bytes, "hex")));
    expect(refused).toMatchObject({ grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" });
  }
});

test("startControlPlane: random bytes to every method end in a status, and it lives", async () => {
  const { classes, errors } = await testControlPlane();
  const methods = [
    ...[
      "CreateRoomClass",
      "GetRoomClass",
      "ListRoomClasses",
      "UpdateRoomClass",
      "DeleteRoomClass",
    ].map((name) => `/tidegate.control.v1.RoomClassService/${name}`),
    "/tidegate.control.v1.MessagingService/Publish",
    "/tidegate.control.v1.MessagingService/ListHistory",
    "/tidegate.control.v1.GatewayService/ListGateways",
    "/tidegate.control.v1.GatewayService/GetGateway",
    "/tidegate.control.v1.ShardService/ListShards",
    "/tidegate.control.v1.ShardService/GetShard",
    "/tidegate.control.v1.SlotService/ListSlots",
    "/tidegate.control.v1.SlotService/GetSlot",
    "/tidegate.control.v1.SlotService/GetRoomRoute",
    "/grpc.health.v1.Health/Check",
  ];
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 0x7fff_ffff;
    return seed;
  };
  const calls = Array.from({ length: 400 }, (_, at) => {
    const bytes = Buffer.from(Array.from({ length: random() % 60 }, () => random() % 256));
    return rawCall(classes, methods[at % methods.length] ?? "", bytes).then(
      () => "OK",
      (reason) => status[reason.code],
    );
  });
  const outcomes = new Set(await Promise.all(calls));
  expect(outcomes).toContain("INVALID_ARGUMENT");
  const { roomClass } = await call(classes, classes.getRoomClass, chat);
  expect(roomClass?.builtIn).toBe(true);
  expect(errors).toEqual([]);
});

test("startControlPlane: a request over the limit is RESOURCE_EXHAUSTED", async () => {
  const { messaging } = await testControlPlane({ messageBytesMax: 65_536 });
  const payload = Buffer.alloc(70_000);
  const request = { parent: "tenants/default", room: "chat:a", payload, user: "", requestId: "" };
  const failed = call(messaging, messaging.publish, request);
  await expect(failed).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
});

test("startControlPlane: an unknown method is UNIMPLEMENTED", async () => {
  const { classes } = await testControlPlane();
  const path = "/tidegate.control.v1.RoomClassService/Nope";
  const failed = rawCall(classes, path, Buffer.alloc(0));
  await expect(failed).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
});

test("startControlPlane: a thrown programmer error is INTERNAL, logged, and it lives", async () => {
  let isBroken = true;
  const { classes, errors } = await testControlPlane({}, (bus) =>
    wrapKeys(bus, (keys) => ({
      get: (key) => {
        const isClass = key.startsWith("class.");
        if (isBroken && isClass) throw new TypeError("undefined is not a function");
        return keys.get(key);
      },
    })),
  );
  const refused = await refusal(call(classes, classes.getRoomClass, chat));
  expect(refused).toMatchObject({ grpc: status.INTERNAL, code: "INTERNAL" });
  expect(errors).toHaveLength(1);
  isBroken = false;
  expect((await call(classes, classes.getRoomClass, chat)).roomClass?.builtIn).toBe(true);
});

test("startControlPlane: a bus that is away is UNAVAILABLE, with a retry hint", async () => {
  const { classes, bus, errors } = await testControlPlane();
  await bus.close();
  const refused = await refusal(call(classes, classes.getRoomClass, chat));
  expect(refused).toMatchObject({ grpc: status.UNAVAILABLE, code: "UNAVAILABLE" });
  expect(refused.retryAfterMs).toBeGreaterThan(0);
  expect(errors).toEqual([]);
});

/** A control plane whose reads of classes wait until they are let go. */
async function slowControlPlane(options: { callCountMax?: number; drainTimeoutMs?: number }) {
  const waiting: (() => void)[] = [];
  let onArrival = () => {};
  const opened = await testControlPlane(options, (bus) =>
    wrapKeys(bus, (keys) => ({
      get: async (key) => {
        if (!key.startsWith("class.")) return keys.get(key);
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
          onArrival();
        });
        return keys.get(key);
      },
    })),
  );
  const arrived = (count: number) =>
    new Promise<void>((resolve) => {
      onArrival = () => {
        if (waiting.length >= count) resolve();
      };
      onArrival();
    });
  const letGo = () => {
    for (const go of waiting) go();
  };
  return { ...opened, arrived, letGo };
}

test("startControlPlane: calls over callCountMax are UNAVAILABLE at once, the others end", async () => {
  // Above the streams of one connection, so that the second client's call reaches the limit.
  const { classes, plane, arrived, letGo } = await slowControlPlane({ callCountMax: 3 });
  const calls = Array.from({ length: 3 }, () => call(classes, classes.getRoomClass, chat));
  await arrived(3);
  const other = new RoomClassServiceClient(plane.address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const refused = await refusal(call(other, other.getRoomClass, chat));
  other.close();
  expect(refused).toMatchObject({ grpc: status.UNAVAILABLE, code: "UNAVAILABLE" });
  letGo();
  expect((await Promise.all(calls)).map(({ roomClass }) => roomClass?.builtIn)).toEqual([
    true,
    true,
    true,
  ]);
});

test("ControlPlane.close: lets a call in progress end", async () => {
  const { classes, plane, arrived, letGo } = await slowControlPlane({ drainTimeoutMs: 20_000 });
  const slow = call(classes, classes.getRoomClass, chat);
  await arrived(1);
  const closed = plane.close();
  letGo();
  expect((await slow).roomClass?.builtIn).toBe(true);
  await closed;
  await expect(call(classes, classes.getRoomClass, chat)).rejects.toMatchObject({
    code: status.UNAVAILABLE,
  });
});

test("ControlPlane.close: cuts a call that does not end, and may be called twice", async () => {
  const { classes, plane, arrived } = await slowControlPlane({ drainTimeoutMs: 50 });
  const stuck = call(classes, classes.getRoomClass, chat);
  const outcome = stuck.catch((reason) => reason.code);
  await arrived(1);
  await Promise.all([plane.close(), plane.close()]);
  expect([status.UNAVAILABLE, status.CANCELLED]).toContain(await outcome);
});

test("startControlPlane: a port in use is ADDRESS_IN_USE", async () => {
  const { plane, bus } = await testControlPlane();
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const second = startControlPlane(bus, log, { port: plane.port });
  await expect(second).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
});

test("startControlPlane: a bus that can not be opened is UNAVAILABLE", async () => {
  const opening = testControlPlane({}, (bus) =>
    wrapMethods(bus, {
      keyValue: async () => {
        await bus.close();
        return bus.keyValue("control");
      },
    }),
  );
  await expect(opening).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("startControlPlane: hostile HTTP/2 harms nobody", async () => {
  const { plane, classes } = await testControlPlane();
  const session = http2.connect(`http://${plane.address}`);
  session.on("error", () => {}); // the server may cut it
  const requests = [
    { ":path": "/", ":method": "GET" },
    { ":path": "/x", ":method": "POST", "content-type": "text/plain" },
    { ":path": "/", ":method": "POST", "content-type": "application/grpc", "grpc-timeout": "x" },
  ].map(async (headers) => {
    const stream = session.request(headers, { endStream: false });
    stream.on("error", () => {});
    stream.end(Buffer.from([0, 255, 255, 255, 255, 1]));
    stream.resume();
    await once(stream, "close");
  });
  await Promise.all(requests);
  session.destroy();
  expect((await call(classes, classes.getRoomClass, chat)).roomClass?.builtIn).toBe(true);
});
