/** The limit "stored-bytes": counted by the control plane, held by gateways, seen by operators. */
import { expect, test } from "vitest";
import { readLimitUse } from "../../controlplane/limit-use.ts";
import { countStored, StoredBytes } from "../../controlplane/stored-bytes.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { USAGE_BUCKET } from "../../proto/stored-usage.ts";
import { attempt, authenticateByName, putLimit, until } from "../gateway/seats/quota-tools.ts";
import { testGateway } from "../gateway/start-gateway.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

test("stored-bytes: publishes end with STORAGE_LIMIT, and go on when it is raised or less is stored", async () => {
  const { bus, port, gateway } = await testGateway({ parts: { authenticate: authenticateByName } });
  const [ann, other] = [
    await attempt(port, { token: "ann" }),
    await attempt(port, { token: "b/bob" }),
  ];
  let seq = 0;
  const publish = async (bytes: number, room = "chat:a"): Promise<string> => {
    seq += 1;
    const requestId = seq;
    ann.client.publish({ requestId, room, seq, payload: Buffer.alloc(bytes) });
    const answer = await ann.client.answer(requestId);
    return "code" in answer ? answer.code : "stored";
  };
  for (let i = 0; i < 30; i += 1) expect(await publish(1000, `chat:${i % 3}`)).toBe("stored");
  other.client.publish({ requestId: 1, room: "chat:a", seq: 1, payload: Buffer.alloc(50_000) });
  await other.client.ack(1);
  const counted = await countStored(bus, new Set(["default", "b"]));
  expect(counted.get("default")).toBeGreaterThan(30_000);
  expect(counted.get("default")).toBeLessThan(33_000); // 30 payloads, and what an envelope adds
  expect(counted.get("b")).toBeGreaterThan(50_000);

  const counter = new StoredBytes(bus, await bus.keyValue(CONTROL_BUCKET), log, () => true);
  await counter.count();
  await putLimit(bus, "stored-bytes", 34_000);
  await counter.count();
  expect(await readLimitUse(bus, { tenant: "default", limit: "stored-bytes" })).toBe(
    Math.round(counted.get("default") ?? 0),
  );
  const welcomed = await attempt(port, { token: "ann" });
  expect(welcomed.client.welcome?.limits?.tenantStoredBytesMax).toBe(34_000n);
  await publish(1); // the gateway begins to follow what is counted
  const answers: string[] = [];
  await until(async () => {
    answers.push(await publish(500));
    return answers.at(-1) !== "stored";
  });
  expect(answers.length).toBeLessThan(9); // 34 000 less some 32 000, in steps of 500
  const last = await ann.client.error(seq);
  expect(last).toMatchObject({ code: "STORAGE_LIMIT", limit: "stored-bytes", retryable: false });
  expect(gateway.stats().limits).toMatchObject({ storage_refused: 1 });
  other.client.publish({ requestId: 2, room: "chat:a", seq: 2, payload: "another tenant" });
  await other.client.ack(2);
  await putLimit(bus, "stored-bytes", 100_000);
  await until(async () => (await publish(1)) === "stored");
  await putLimit(bus, "stored-bytes", 0);
  await counter.count();
  expect(await publish(60_000)).toBe("stored");
  counter.close();
}, 30_000);

test("stored-bytes: without the limit nothing is counted, and what was is forgotten with the next", async () => {
  const { bus } = await testGateway();
  const counter = new StoredBytes(bus, await bus.keyValue(CONTROL_BUCKET), log, () => true);
  await putLimit(bus, "stored-bytes", 5);
  await counter.count();
  const usage = await bus.keyValue(USAGE_BUCKET);
  expect((await usage.list("")).map(({ key }) => key)).toEqual(["stored.default"]);
  await putLimit(bus, "stored-bytes", 0);
  await counter.count();
  expect((await usage.list("")).map(({ key }) => key)).toEqual([]);
  counter.close();
});
