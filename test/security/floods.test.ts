/**
 * Floods from one client: connections, half requests, headers, pings, compressed bombs. Each costs
 * a bounded amount, and a bystander goes on.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BURST_S } from "../../gateway/edge/flood-guard.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { authenticateByName } from "../gateway/seats/quota-tools.ts";
import { type OpenTestGateway, openTestGateway } from "../gateway/start-gateway.ts";
import { RawSocket, SWITCHED, upgradeRequest } from "./raw-http.ts";

/** Upgrades a second of one address. */
const RATE = 5;

let gateway: OpenTestGateway;
let bystander: RawClient;
let alias = 0;
let sentCount = 0;
let nowUs = 1e15;

beforeAll(async () => {
  // The clock stands still, so that a rate is a number; 127.0.0.1 may say who a client is.
  const parts = { clock: { nowUs: () => nowUs }, authenticate: authenticateByName };
  const options = { trustedProxies: ["127.0.0.1"], addressConnectRateMax: RATE };
  gateway = await openTestGateway({ options, parts });
  bystander = await gateway.client({ token: "bystander" });
  alias = (await bystander.join("live:bystander")).roomAlias;
});

afterAll(() => gateway?.close());

/** A client frame of the WebSocket protocol, masked by zeros. */
function wsFrame(firstByte: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head =
    length < 126
      ? Buffer.of(firstByte, 0x80 | length)
      : Buffer.of(firstByte, 0x80 | 126, length >> 8, length & 255);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** A connection that speaks WebSocket by hand. */
async function openRaw(headers: readonly string[] = []): Promise<RawSocket> {
  const socket = new RawSocket(gateway.port);
  socket.send(upgradeRequest(headers));
  expect(await socket.until("\r\n\r\n")).toBe(true);
  return socket;
}

/**
 * A member that was there before is served meanwhile. It has a name: a gateway under load sheds
 * what is anonymous.
 */
async function expectService(): Promise<void> {
  sentCount += 1;
  bystander.publish({ room: "live:bystander", payload: `${sentCount}` });
  expect((await bystander.texts(alias, sentCount)).at(-1)).toBe(`${sentCount}`);
}

const from = (address: string) => upgradeRequest([`X-Forwarded-For: ${address}`]);

describe.concurrent("connections", () => {
  test("of one address: HTTP 429 with Retry-After beyond its rate; others are served", async () => {
    const answers: string[] = [];
    for (let i = 0; i < RATE * BURST_S + 5; i += 1) {
      const socket = new RawSocket(gateway.port);
      socket.send(from("203.0.113.7"));
      await socket.until("\r\n\r\n");
      answers.push(socket.answer);
      socket.socket.destroy();
    }
    expect(answers.filter((answer) => answer.startsWith(SWITCHED))).toHaveLength(RATE * BURST_S);
    for (const answer of answers.slice(-5)) {
      expect(answer).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n/);
      expect(answer).toContain("\r\nRetry-After: 10\r\n");
    }
    const other = new RawSocket(gateway.port);
    other.send(from("203.0.113.8"));
    expect(await other.until(SWITCHED)).toBe(true);
    expect(gateway.gateway.stats().edge.door.floodRefusals).toBeGreaterThanOrEqual(5);
  });

  test("that never finish a request, or drip it: closed within seconds, all of them", async () => {
    const silent = Array.from({ length: 50 }, () => new RawSocket(gateway.port));
    const dripping = Array.from({ length: 50 }, () => new RawSocket(gateway.port));
    for (const socket of dripping) socket.send("GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    const drip = setInterval(() => {
      for (const socket of dripping) if (socket.socket.writable) socket.send("X: y\r\n");
    }, 500);
    await expectService();
    await Promise.all([...silent, ...dripping].map(({ closed }) => closed));
    clearInterval(drip);
    for (const socket of [...silent, ...dripping]) expect(socket.answer).toBe("");
  }, 30_000);
});

describe("headers", () => {
  test.each([
    ["one of 8 kB", [`X: ${"a".repeat(8192)}`]],
    ["two hundred", Array.from({ length: 200 }, (_, i) => `X${i}: y`)],
  ])("%s: HTTP 431, closed", async (_name, headers) => {
    const socket = new RawSocket(gateway.port);
    socket.send(upgradeRequest(headers));
    await socket.closed;
    expect(socket.answer).toMatch(/^HTTP\/1\.1 431 /);
  });

  test("one without an end: cut after some kilobytes", async () => {
    const socket = new RawSocket(gateway.port);
    socket.send("GET /ws HTTP/1.1\r\nX: ");
    let sentBytes = 0;
    while (socket.socket.writable && sentBytes < 10_000_000) {
      socket.send("a".repeat(1024));
      sentBytes += 1024;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await socket.closed;
    expect(sentBytes).toBeLessThan(10_000_000);
  });
});

describe("frames", () => {
  test("compression is not agreed to, whatever a client offers", async () => {
    const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    const socket = await openRaw([offer]);
    expect(socket.answer.startsWith(SWITCHED)).toBe(true);
    expect(socket.answer.toLowerCase()).not.toContain("extensions");
    const client = new RawClient(gateway.port, { perMessageDeflate: true });
    await client.opened();
    expect(client.socket.extensions).toBe("");
    client.socket.terminate();
  });

  test("a bomb in a frame that claims to be compressed: cut, and nothing of it unpacked", async () => {
    const bomb = deflateRawSync(Buffer.alloc(32 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(65_536); // a frame of legal size
    const socket = await openRaw();
    socket.send(wsFrame(0xc2, bomb)); // FIN, RSV1, binary
    await socket.closed;
    await expectService();
  });

  test("a frame that says it has 2^62 bytes: cut at once", async () => {
    const socket = await openRaw();
    socket.send(Buffer.of(0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    await socket.closed;
  });

  test("a flood of pings from a client that reads no pong: nothing piles up", async () => {
    const socket = await openRaw();
    socket.socket.pause();
    const pings = Buffer.concat(
      Array.from({ length: 1000 }, () => wsFrame(0x89, randomBytes(120))),
    );
    const rounds = 300;
    for (let i = 0; i < rounds && socket.socket.writable; i += 1) {
      if (!socket.socket.write(pings)) {
        await Promise.race([once(socket.socket, "drain"), socket.closed]);
      }
      if (i % 100 === 0) await expectService();
    }
    // What waits for it is what two kernel buffers hold, and little more: not 37 MB of pongs.
    let readBytes = 0;
    socket.socket.on("data", ({ length }: Buffer) => {
      readBytes += length;
    });
    socket.socket.resume();
    await expectService();
    socket.send(wsFrame(0x88, Buffer.alloc(0)));
    await socket.closed;
    expect(readBytes).toBeGreaterThan(100_000);
    expect(readBytes).toBeLessThan(rounds * 1000 * 122 * 0.6);
  }, 60_000);
});

test("floods are forgotten: the address that was refused may come again later", async () => {
  nowUs += 2_000_000;
  const socket = new RawSocket(gateway.port);
  socket.send(from("203.0.113.7"));
  expect(await socket.until(SWITCHED)).toBe(true);
});
