/**
 * Buckets on a real NATS: one that an earlier version made takes commits once it is opened.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { NatsKeyValue } from "../../../bus/nats/key-value.ts";
import { startTestNats } from "../../nats/start-nats.ts";

test("a bucket without atomic batches learns them when it is opened, and keeps all else", async () => {
  const nats = await startTestNats(1);
  const connection = await connect({ servers: nats.urls });
  onTestFinished(async () => {
    await connection.close();
    await nats.stop();
  });
  const old = await new Kvm(connection).create("old", { markerTTL: 60_000, allow_direct: false });
  const revision = await old.put("kept", "1");
  const streams = (await jetstreamManager(connection)).streams;
  const { config: before } = await streams.info("KV_old");
  expect(before.allow_atomic ?? false).toBe(false);

  const opened = await Promise.all([1, 2, 3].map(() => NatsKeyValue.open(connection, "old", 1)));
  const { config: after } = await streams.info("KV_old");
  expect({ ...after, metadata: {} }).toEqual({ ...before, allow_atomic: true, metadata: {} });
  const value = Buffer.from("2");
  await opened[1]?.commit([
    { key: "kept", value, revision },
    { key: "new", value, revision: 0 },
  ]);
  expect((await opened[2]?.list(""))?.map(({ key }) => key)).toEqual(["kept", "new"]);

  // One that is missing is made alike, also by several at once.
  await Promise.all([1, 2, 3].map(() => NatsKeyValue.open(connection, "fresh", 1)));
  const { config: fresh } = await streams.info("KV_fresh");
  const own = { name: "", subjects: [], metadata: {} };
  expect({ ...fresh, ...own }).toEqual({ ...after, ...own });
}, 60_000);
