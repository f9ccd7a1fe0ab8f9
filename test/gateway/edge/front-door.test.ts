/** The door: what is refused how. Native requests are played, since 50 000 addresses are needed. */
import type { HttpRequest, HttpResponse, TemplatedApp } from "uWebSockets.js";
import { expect, test } from "vitest";
import WebSocket from "ws";
import { ADDRESS_COUNT_MAX } from "../../../gateway/edge/flood-guard.ts";
import { FrontDoor } from "../../../gateway/edge/front-door.ts";
import { READY_SUBPROTOCOL } from "../../../gateway/edge/subprotocol.ts";
import { GATEWAY_DEFAULTS, type GatewayOptions } from "../../../gateway/options.ts";
import { testGateway } from "../start-gateway.ts";

const clock = { nowUs: () => 1e15 };

function openDoor(options: Partial<GatewayOptions> = {}, isReady = true): FrontDoor {
  const all = { ...GATEWAY_DEFAULTS, trustedProxies: ["127.0.0.1"], ...options };
  return new FrontDoor(all, clock, () => isReady);
}

/** A request from `peer`, and what became of it. */
function play(peer: readonly number[], headers: Readonly<Record<string, string>> = {}) {
  const said: string[] = [];
  const res = {
    getRemoteAddress: () => Uint8Array.from(peer).buffer,
    getProxiedRemoteAddress: () => new ArrayBuffer(0),
    cork: (write: () => void) => write(),
    writeStatus: (status: string) => said.push(status),
    writeHeader: (name: string, value: string) => said.push(`${name}: ${value}`),
    end: (_text: string, isLast: boolean) => said.push(isLast ? "end and close" : "end"),
    close: () => said.push("close"),
  };
  const all: Record<string, string> = { host: "127.0.0.1", ...headers };
  const req = { getHeader: (name: string) => all[name] ?? "" };
  return { res: res as unknown as HttpResponse, req: req as unknown as HttpRequest, said };
}

const plain = "Content-Type: text/plain; charset=utf-8";
const loopback = [127, 0, 0, 1];
const far = [203, 0, 113, 9];

test("more addresses than are told apart: 503 with Retry-After for newcomers", () => {
  const door = openDoor({ addressConnectRateMax: 1 });
  const admit = (address: string) => {
    const { res, req, said } = play(loopback, { "x-forwarded-for": address });
    return [door.admit(res, req), said] as const;
  };
  for (let i = 0; i < ADDRESS_COUNT_MAX; i += 1) {
    const address = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    expect(admit(address)[0]).not.toBeNull();
  }
  expect(admit("203.0.113.9")).toEqual([
    null,
    ["503 Service Unavailable", plain, "Retry-After: 5", "end and close"],
  ]);
  expect(door.counts).toEqual({ floodRefusals: 1, policyRefusals: 0 });
});

test("sockets of one address: closed unread beyond four times its rate; loopback is exempt", () => {
  const door = openDoor({ addressConnectRateMax: 2 });
  let guard: (res: HttpResponse, change: number) => void = () => {};
  const app = {
    filter: (given: typeof guard) => {
      guard = given;
    },
  };
  door.guardSockets(app as unknown as TemplatedApp);
  const closedOf = (peer: readonly number[]) => {
    let closedCount = 0;
    for (let i = 0; i < 100; i += 1) {
      const { res, said } = play(peer);
      guard(res, 1);
      guard(res, -1); // its end counts nothing
      closedCount += said.length;
    }
    return closedCount;
  };
  expect(closedOf(far)).toBe(20); // 2 a second, ten seconds' worth, four times
  expect(closedOf(loopback)).toBe(0);
  expect(closedOf([203, 0, 113, 10])).toBe(20);
});

test("a peer's own rate counts where no proxy is; refusals are closes where HTTP is elsewhere", () => {
  const rates = { addressConnectRateMax: 1 };
  const outcome = (door: FrontDoor) => {
    for (let i = 0; i < 10; i += 1) {
      const { res, req } = play(far);
      expect(door.admit(res, req)).toMatchObject({ address: "", subprotocol: "" });
    }
    const { res, req, said } = play(far);
    expect(door.admit(res, req)).toBeNull();
    return said;
  };
  expect(outcome(openDoor(rates))).toEqual([
    ...["429 Too Many Requests", plain, "Retry-After: 10", "end and close"],
  ]);
  expect(outcome(openDoor({ ...rates, answersHttp: false }))).toEqual(["close"]);
});

test("policy: a foreign Host or Origin is 403, a foreign subprotocol 400; counted apart", () => {
  const door = openDoor();
  const statusOf = (headers: Record<string, string>) => {
    const { res, req, said } = play(far, headers);
    return door.admit(res, req)?.subprotocol ?? said[0];
  };
  expect(statusOf({ host: "evil.example" })).toBe("403 Forbidden");
  expect(statusOf({ origin: "https://evil.example" })).toBe("403 Forbidden");
  expect(statusOf({ "sec-websocket-protocol": "mqtt" })).toBe("400 Bad Request");
  expect(statusOf({ "sec-websocket-protocol": "mqtt, tidegate.v1" })).toBe("tidegate.v1");
  expect(statusOf({})).toBe("");
  expect(door.counts).toEqual({ floodRefusals: 0, policyRefusals: 3 });
});

test("tidegate.ready: agreed to by a gateway that is ready, by no other", async () => {
  const { res, req, said } = play(far, { "sec-websocket-protocol": READY_SUBPROTOCOL });
  expect(openDoor({}, false).admit(res, req)).toBeNull();
  expect(said[0]).toBe("400 Bad Request");

  const { port } = await testGateway({ options: { answersHttp: false } });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, READY_SUBPROTOCOL);
  await new Promise((resolve) => socket.on("open", resolve));
  expect(socket.protocol).toBe(READY_SUBPROTOCOL);
  socket.terminate();
});
