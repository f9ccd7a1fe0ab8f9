/**
 * Shards' streams: made with explicit settings, updated when the record says so, refused when they
 * can not be used, and never fought over.
 */
import { type JetStreamManager, jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import type { Log } from "../../bus/log.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import type { NatsBusOptions } from "../../bus/nats/options.ts";
import { append, newProducer, newRoom } from "../bus/contract-tools.ts";
import { refusal } from "./refusal.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

interface Line {
  readonly level: keyof Log;
  readonly text: string;
  readonly fields: object;
}

async function startOne(): Promise<{ nats: TestNats; manager: JetStreamManager }> {
  const nats = await startTestNats(1);
  const connection = await connect({ servers: nats.urls });
  onTestFinished(async () => {
    await connection.close();
    await nats.stop();
  });
  return { nats, manager: await jetstreamManager(connection) };
}

/** Opens a bus and closes it again; returns what it logged. */
async function openOnce(nats: TestNats, options: Partial<NatsBusOptions> = {}): Promise<Line[]> {
  const lines: Line[] = [];
  const note = (level: keyof Log) => (fields: object, text: string) => {
    lines.push({ level, text, fields });
  };
  const log = { info: note("info"), warn: note("warn"), error: note("error") };
  const shardBytesMax = 64 * 1024 ** 2;
  const name = `p${Math.random().toString(36).slice(2, 8)}`;
  const small = { servers: nats.urls, name, shardCount: 2, shardBytesMax };
  const bus = await openNatsBus({ ...small, ...options }, log);
  await append(bus, newRoom(), { producer: newProducer(), seq: 1 }, "x");
  await bus.close();
  return lines;
}

async function configs(manager: JetStreamManager): Promise<StreamConfig[]> {
  const infos = [0, 1].map((shard) => manager.streams.info(`TG_${shard}`));
  return (await Promise.all(infos)).map(({ config }) => config);
}

const settingsFile = (revision: number, more: object) => JSON.stringify({ revision, ...more });

test("a stream is made with every setting, and a second start changes nothing", async () => {
  const { nats, manager } = await startOne();
  expect(await openOnce(nats)).toEqual([]);
  const first = await configs(manager);
  expect(first[0]).toMatchObject({
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: 1,
    max_msgs: -1,
    max_msg_size: -1,
    max_bytes: 64 * 1024 ** 2,
    max_msgs_per_subject: 100_000,
    max_age: 30 * 24 * 3600 * 1e9,
    duplicate_window: 30e9,
    allow_direct: true,
    republish: { src: "tg.in.>", dest: "tg.out.>" },
  });
  expect(first[0]?.subjects).toHaveLength(513);
  expect(await openOnce(nats)).toEqual([]);
  expect(await configs(manager)).toEqual(first);
}, 60_000);

test("a process with other options does not fight: the record counts, and it is said", async () => {
  const { nats, manager } = await startOne();
  await openOnce(nats);
  const first = await configs(manager);
  const other = {
    roomMessageCountMax: 7,
    retentionMs: 60_000,
    shardCount: 5,
    dedupeWindowMs: 4000,
  };
  const lines = await openOnce(nats, other);
  expect(await configs(manager)).toEqual(first);
  expect(lines.map(({ level }) => level)).toEqual(["warn", "warn", "warn"]);
  expect(lines[0]?.fields).toMatchObject({ decided: { shardCount: 2, dedupeWindowMs: 30_000 } });
  expect(lines[1]?.fields).toMatchObject({
    ignored: ["roomMessageCountMax 7 → 100000", "retentionMs 60000 → 2592000000"],
  });
}, 60_000);

test("a settings file is applied once; subjects stay as routing has them", async () => {
  const { nats, manager } = await startOne();
  await openOnce(nats);
  // As a move leaves it: a slot gone, another one here in a later epoch.
  const [before] = await configs(manager);
  const subjects = [...(before?.subjects.slice(0, -1) ?? []), "tg.in.0-1.2.*"];
  await manager.streams.update("TG_0", { ...before, subjects, description: "kept" });
  const file = settingsFile(2, {
    default: { roomMessageCountMax: 50 },
    shards: { 1: { retentionMs: 120_000, placementTags: [] } },
  });
  const lines = await openOnce(nats, { shardSettings: file });
  expect(lines.map(({ text }) => text)).toEqual(Array(2).fill("stream updated by its record"));
  const [first, second] = await configs(manager);
  expect(first?.subjects.toSorted()).toEqual(subjects.toSorted());
  expect(first).toMatchObject({ max_msgs_per_subject: 50, description: "kept" });
  expect(first?.max_age).toBe(before?.max_age);
  expect(second).toMatchObject({ max_msgs_per_subject: 50, max_age: 120e9 });
  // The same file again, an older one, and none: nothing moves.
  expect(await openOnce(nats, { shardSettings: file })).toEqual([]);
  const older = settingsFile(2, { default: { roomMessageCountMax: 9 } });
  expect((await openOnce(nats, { shardSettings: older })).map(({ level }) => level)).toEqual([
    "warn",
    "warn",
  ]);
  await openOnce(nats);
  expect((await configs(manager))[0]?.max_msgs_per_subject).toBe(50);
}, 60_000);

test("many processes that start at once, each with its own word, agree on one", async () => {
  const { nats, manager } = await startOne();
  const starts = Array.from({ length: 6 }, (_, i) =>
    openOnce(nats, {
      roomMessageCountMax: 100 + i,
      shardSettings:
        i % 2 === 0 ? "" : settingsFile(2 + i, { default: { retentionMs: 60_000 * i } }),
    }),
  );
  const lines = (await Promise.all(starts)).flat();
  expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  // The highest revision is the last word, whoever came first.
  const last = await configs(manager);
  for (const { max_age } of last) expect(max_age).toBe(300e9);
  const again = await Promise.all([openOnce(nats), openOnce(nats), openOnce(nats)]);
  const updates = again.flat().filter(({ level }) => level === "info");
  expect(updates).toEqual([]);
  expect(await configs(manager)).toEqual(last);
}, 60_000);

test("a stream that is set otherwise by hand is brought back, and others are refused", async () => {
  const { nats, manager } = await startOne();
  await openOnce(nats);
  const [made] = await configs(manager);
  if (made === undefined) throw new Error("there is TG_0");
  await manager.streams.update("TG_0", { ...made, max_msgs_per_subject: 3, max_age: 1e12 });
  expect((await openOnce(nats)).map(({ text }) => text)).toEqual(["stream updated by its record"]);
  expect((await configs(manager))[0]).toEqual(made);
  await manager.streams.delete("TG_0");
  const subjects = [...made.subjects, "orders.>"];
  const foreign = { ...made, subjects, storage: "memory" as const, discard: "old" as const };
  const { republish: _, ...without } = foreign;
  await manager.streams.add(without);
  const text = await refusal({ NATS_URL: nats.urls.join(",") });
  expect(text).toContain("[BUS_UNSUITABLE] stream TG_0 can not be used as it is:");
  expect(text).toMatch(/setting +is +must be\n/);
  expect(text).toMatch(/storage +"memory" +"file"\n/);
  expect(text).toMatch(/discard +"old" +"new"\n/);
  expect(text).toMatch(/republish +none +\{"src":"tg.in.>","dest":"tg.out.>"\}\n/);
  expect(text).toMatch(/subjects +orders.> +only tg.in/);
  expect(text).toContain("nats stream rm TG_0");
}, 60_000);

test("a stream removed while nobody ran is made anew, as routing has it, with a warning", async () => {
  const { nats, manager } = await startOne();
  await openOnce(nats);
  const bus = await openNatsBus({ servers: nats.urls, name: "mover" });
  await bus.advanceEpoch(3, 0); // from shard 1
  await bus.advanceEpoch(5, 1);
  await bus.close();
  await manager.streams.delete("TG_1");
  const lines = await openOnce(nats);
  expect(lines).toMatchObject([{ level: "warn", fields: { stream: "TG_1" } }]);
  const subjects = (await configs(manager))[1]?.subjects ?? [];
  expect(subjects).toHaveLength(512);
  expect(subjects.filter((each) => /^tg.in.0-[35]\./.test(each))).toEqual(["tg.in.0-5.2.*"]);
}, 60_000);

test("a record that holds junk is named", async () => {
  const { nats, manager } = await startOne();
  await openOnce(nats);
  const connection = await connect({ servers: nats.urls });
  await connection.request("$KV.control.shard.1", "junk");
  await connection.close();
  const text = await refusal({ NATS_URL: nats.urls.join(",") });
  expect(text).toContain("[BUS_UNSUITABLE] key shard.1 of bucket control holds no shard settings");
  expect(await configs(manager)).toHaveLength(2);
}, 60_000);
