/**
 * A client behind a TCP proxy tries to forge its address: uWebSockets.js takes a PROXY v2 header
 * before every request, so there must be no second request.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type OpenTestGateway, openTestGateway } from "../gateway/start-gateway.ts";
import { proxyHeader, RawSocket, SWITCHED, upgradeRequest } from "./raw-http.ts";

/** What the proxy wrote before the client's bytes. */
const honest = proxyHeader("203.0.113.9");
/** What the client would like to be. */
const forged = proxyHeader("198.51.100.1");
const get = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const post = (body: string) =>
  `POST /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunked =
  "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";

/** Upgrades that one address may make at once: what tells addresses apart here. */
const BURST = 10;

let gateway: OpenTestGateway;

beforeAll(async () => {
  const proxied = { proxyProtocol: true, trustedProxies: ["127.0.0.1"], answersHttp: false };
  const clock = { nowUs: () => 1e15 }; // stands still: what is used up stays so
  gateway = await openTestGateway({
    options: { ...proxied, addressConnectRateMax: 1 },
    parts: { clock },
  });
});

afterAll(() => gateway?.close());

/** Whether a client that begins with these bytes gets a WebSocket. */
async function isUpgraded(...segments: (readonly (Buffer | string)[])[]): Promise<boolean> {
  const socket = new RawSocket(gateway.port);
  for (const segment of segments) {
    socket.send(...segment);
    await new Promise((resolve) => setImmediate(resolve)); // its own segment, mostly its own read
  }
  const isUp = await socket.isUpgraded();
  socket.socket.destroy();
  return isUp;
}

/** Uses up what an address may do at once. */
async function useUp(client: string): Promise<void> {
  for (let i = 0; i < BURST; i += 1) {
    expect(await isUpgraded([proxyHeader(client), upgradeRequest()])).toBe(true);
  }
  expect(await isUpgraded([proxyHeader(client), upgradeRequest()])).toBe(false);
}

describe("the first request", () => {
  test.each([
    ["GET", [get]],
    ["GET of the upgrade's path", ["GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]],
    ["POST with a body", [post("abc")]],
    ["POST in chunks", [chunked]],
    ["a method that is none", ["FOO / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]],
    ["an upgrade by POST", [upgradeRequest().replace("GET", "POST")]],
    ["an upgrade elsewhere", [upgradeRequest().replace("/ws", "/")]],
    ["an upgrade with a foreign Origin", [upgradeRequest(["Origin: https://evil.example"])]],
    ["an upgrade with a foreign Host", [upgradeRequest().replace("127.0.0.1", "evil.example")]],
    ["another subprotocol", [upgradeRequest().replace("tidegate.v1", "mqtt")]],
  ])(
    "%s: closed without an answer, and nothing after it is read",
    async (_name, [request = ""]) => {
      const pipelined = new RawSocket(gateway.port);
      pipelined.send(honest, request, forged, upgradeRequest());
      expect(await pipelined.end()).toEqual({ answer: "", isClosed: true });

      const sequential = new RawSocket(gateway.port);
      sequential.send(honest, request);
      await sequential.closed;
      sequential.send(forged, upgradeRequest());
      expect(sequential.answer).toBe("");
    },
  );
});

describe("the address", () => {
  test("is what the proxy says: one that has used its rate up is refused, another one is not", async () => {
    await useUp("203.0.113.20");
    expect(await isUpgraded([proxyHeader("203.0.113.21"), upgradeRequest()])).toBe(true);
  });

  test("is not what the client says, wherever it puts a header of its own", async () => {
    await useUp("203.0.113.30");
    const own = proxyHeader("203.0.113.30");
    const request = upgradeRequest();
    const half = 20;
    const attempts: (readonly (Buffer | string)[])[][] = [
      [[own, forged, request]],
      [[own], [forged, request]],
      [[own, forged], [request]],
      [[own, request, forged, request]],
      [
        [own, request],
        [forged, request],
      ],
      [
        [own, request.slice(0, half)],
        [forged, request],
      ],
      [[own, request.slice(0, half), forged, request.slice(half)]],
      [[own, "\r\n", forged, request]],
      [[own.subarray(0, half)], [own.subarray(half), forged, request]],
      ...[1, 12, 14, 16, 27].map((at) => [
        [own, forged.subarray(0, at)],
        [forged.subarray(at), request],
      ]),
    ];
    for (const [i, attempt] of attempts.entries()) {
      expect([i, await isUpgraded(...attempt)]).toEqual([i, false]);
    }
    // The forged address has all its rate left: nothing was counted as its.
    await useUp("198.51.100.1");
  });

  test("is not what X-Forwarded-For says, since the proxy has said who the client is", async () => {
    await useUp("203.0.113.40");
    const lie = upgradeRequest(["X-Forwarded-For: 198.51.100.2"]);
    expect(await isUpgraded([proxyHeader("203.0.113.40"), lie])).toBe(false);
  });
});

describe("bytes that are no HTTP", () => {
  test.each([
    ["garbage", "\x00\x01\x02\r\n\r\n"],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n"],
    ["PROXY v1", "PROXY TCP4 198.51.100.1 127.0.0.1 1 2\r\n"],
  ])(
    "%s: uWebSockets.js ends the connection, and nothing after it is read",
    async (_name, bytes) => {
      const socket = new RawSocket(gateway.port);
      socket.send(proxyHeader("203.0.113.50"), bytes, forged, upgradeRequest());
      const { answer, isClosed } = await socket.end();
      expect(isClosed).toBe(true);
      expect(answer).not.toContain(SWITCHED);
    },
  );
});

test("a peer that is not listed is who its socket says, whatever header it sends", async () => {
  const options = {
    ...{ proxyProtocol: true, trustedProxies: ["10.0.0.0/8"], answersHttp: false },
    addressConnectRateMax: 1,
  };
  const other = await openTestGateway({ options });
  onTestFinished(() => other.close());
  for (let i = 0; i < 2 * BURST; i += 1) {
    const socket = new RawSocket(other.port);
    socket.send(proxyHeader("203.0.113.60"), upgradeRequest());
    expect(await socket.until(SWITCHED)).toBe(true); // loopback has no bound
  }
});
