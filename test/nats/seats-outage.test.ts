/** Seats while the KV has no leader: Hello waits, and nothing is over-admitted or stays behind. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { SEAT_BUCKET } from "../../bus/seats/seat-keys.ts";
import type { NatsNode } from "../../deploy/nats/node.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { type Attempt, attempt, putLimit, seatCount, until } from "../gateway/seats/quota-tools.ts";
import { startServer } from "../start-server.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

/** Says Hello at one of the gateways. */
type Hello = (i: number) => Promise<Attempt>;

const bearer = "bearer-token-of-ann";

async function open() {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-outage-"));
  const tokensFile = path.join(folder, "tokens.json");
  writeFileSync(tokensFile, JSON.stringify({ tokens: [{ token: bearer, user: "ann" }] }));
  const nats = await startTestNats(3);
  const options = { servers: nats.urls, name: "test", replicaCount: 3 } as const;
  const bus = await openNatsBus({ ...options, parts: "controlplane" });
  const env = {
    ...{ PARTS: "gateway", NATS_URL: nats.urls.join(","), REPLICA_COUNT: "3", LOG_LEVEL: "warn" },
    ...{ AUTH: "static", AUTH_TOKENS_FILE: tokensFile },
  };
  const gateways = await Promise.all([startServer({ env }), startServer({ env })]);
  onTestFinished(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await bus.close();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);
  const hello = (i: number) => attempt(gateways[i % 2]?.port ?? 0, { token: bearer });
  const setLimit = async (value: number) => {
    await putLimit(bus, "connections-per-user", value);
    for (const i of [0, 1]) {
      await until(async () => {
        const { client } = await hello(i);
        await client.close();
        return client.welcome?.limits?.userConnectionCountMax === BigInt(value);
      });
    }
    await until(async () => (await seatCount(bus)) === 0);
  };
  return { nats, bus, hello, setLimit };
}

/** As seatCount; null while the bucket has no leader, whose election outlasts the last answer. */
async function seatCountIfKnown(bus: Bus): Promise<number | null> {
  try {
    return await seatCount(bus);
  } catch (error) {
    if (error instanceof CodedError && error.code === "UNAVAILABLE") return null;
    throw error;
  }
}

/**
 * Says Hello again while the answer is to come again, as SDKs do: a gateway whose server it was has
 * to renew its lease first, and both may be such.
 */
async function helloUntilTold(hello: Hello, i: number): Promise<Attempt> {
  for (;;) {
    const attempt = await hello(i);
    const { code = "", retryAfterMs = 0 } = attempt.error ?? {};
    if (attempt.isAdmitted || code === "LIMIT_REACHED") return attempt;
    expect(["UNAVAILABLE", "GATEWAY_NOT_READY", "OVERLOADED"]).toContain(code);
    const againMs = performance.now() + retryAfterMs;
    await until(() => performance.now() >= againMs);
  }
}

/** The node that leads the bucket of seats. */
async function leaderOf(nats: TestNats): Promise<NatsNode> {
  const connection = await connect({ servers: nats.urls });
  const manager = await jetstreamManager(connection);
  const { cluster } = await manager.streams.info(`KV_${SEAT_BUCKET}`);
  await connection.close();
  const leader = nats.nodes.find((node) => node.options.name === cluster?.leader);
  if (leader === undefined) throw new Error("the bucket has no leader");
  return leader;
}

test("kill -9 of the KV's leader amid connects: who waits gets in after, and never one too many", async () => {
  const { nats, bus, hello, setLimit } = await open();
  await setLimit(5);
  const leader = await leaderOf(nats);
  const first = [0, 1, 2].map((i) => helloUntilTold(hello, i));
  await leader.signal("SIGKILL");
  const during = Array.from({ length: 40 }, (_, i) => helloUntilTold(hello, i));
  const all = await Promise.all([...first, ...during]);
  expect(all.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(5);
  await until(async () => (await seatCountIfKnown(bus)) === 5);
  for (const { client } of all) client.socket.close();
  await until(async () => (await seatCountIfKnown(bus)) === 0);
}, 120_000);
