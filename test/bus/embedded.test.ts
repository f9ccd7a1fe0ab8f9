/**
 * The embedded bus keeps the contract, and what only it promises: folders, locks, restarts,
 * damage.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { STORE_FILE } from "../../bus/embedded/database.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import type { Position } from "../../bus/position.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { AppendProcess, commandOf } from "./append-process.ts";
import { busContract } from "./contract.ts";
import {
  append,
  appendMany,
  codeOf,
  envelopeOf,
  newProducer,
  newRoom,
  placeOf,
  Recorder,
  readAll,
  WatchRecorder,
} from "./contract-tools.ts";

const shared = mkdtempSync(path.join(tmpdir(), "tidegate-bus-"));
afterAll(() => rmSync(shared, { recursive: true, force: true }));

busContract("embedded", () => openEmbeddedBus({ dataDir: shared }));

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-bus-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function open(dataDir: string): Promise<Bus> {
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(() => bus.close());
  return bus;
}

/** The sentence an operation fails with. */
async function detailOf(operation: () => Promise<unknown>): Promise<string> {
  return operation().then(
    () => "no error",
    (error: Error) => error.message,
  );
}

describe("embedded bus: restart", () => {
  test("keeps messages, positions, names and keys; seq goes on", async () => {
    const dataDir = newFolder();
    const room = newRoom();
    const producer = newProducer();
    const first = await openEmbeddedBus({ dataDir });
    const keys = await first.keyValue("state");
    const revision = await keys.create("a.b", envelopeOf("kept"));
    const acks = [
      await append(first, room, { producer, seq: 1 }, "one"),
      await append(first, room, { producer, seq: 2 }, "two"),
    ];
    const before = await readAll(first, room);
    await first.close();
    expect(readdirSync(dataDir)).toEqual([STORE_FILE]);

    const second = await open(dataDir);
    expect(await readAll(second, room)).toEqual(before);
    expect(await second.head(room)).toEqual(placeOf(acks[1] as Position));
    const again = await append(second, room, { producer, seq: 1 }, "one");
    expect(again).toEqual({ ...placeOf(acks[0] as Position), isDuplicate: true });
    const third = await append(second, room, { producer, seq: 3 }, "three");
    expect(third.seq).toBe((acks[1]?.seq ?? 0) + 1);
    const sameKeys = await second.keyValue("state");
    expect(await sameKeys.get("a.b")).toMatchObject({ revision });
    expect(await sameKeys.update("a.b", envelopeOf("new"), revision)).toBeGreaterThan(revision);
  });

  test("a restored older backup makes later positions unknown, never another message's", async () => {
    const dataDir = newFolder();
    const backup = path.join(newFolder(), "copy");
    const room = newRoom();
    const first = await openEmbeddedBus({ dataDir });
    const kept = await appendMany(first, room, 5);
    await first.close();
    cpSync(dataDir, backup, { recursive: true });
    const second = await openEmbeddedBus({ dataDir });
    const lost = await appendMany(second, room, 5);
    await second.close();

    const restored = await open(backup);
    expect((await readAll(restored, room)).map(placeOf)).toEqual(kept.map(placeOf));
    const recorder = new Recorder();
    restored.subscribeRoom(room, recorder);
    for (const ack of lost) {
      expect((await restored.readAfter(room, placeOf(ack), 5)).isContinuous).toBe(false);
    }
    const reused = await appendMany(restored, room, 5);
    expect(reused.map(({ seq }) => seq)).toEqual(lost.map(({ seq }) => seq));
    for (const [i, ack] of lost.entries()) {
      const page = await restored.readAfter(room, placeOf(ack), 20);
      expect(page.isContinuous).toBe(false);
      expect(page.messages).toHaveLength(10);
      const fresh = reused[i] as Position;
      expect((await restored.readAfter(room, placeOf(fresh), 20)).isContinuous).toBe(true);
    }
    expect((await restored.readAfter(room, placeOf(kept[4] as Position), 20)).isContinuous).toBe(
      true,
    );
  });
});

describe("embedded bus: keys", () => {
  test("a watch begun among writes is told every change from there on, none twice", async () => {
    const bus = await open(newFolder());
    const keys = await bus.keyValue("state");
    const revisions = [await keys.create("a", envelopeOf("0"))];
    const writing = (async () => {
      for (let i = 1; i < 200; i += 1) {
        const last = revisions.at(-1) ?? 0;
        revisions.push(await keys.update("a", envelopeOf(String(i)), last));
      }
    })();
    const recorders = Array.from({ length: 20 }, () => new WatchRecorder());
    for (const recorder of recorders) await keys.watch("", recorder);
    await writing;
    for (const { changes } of recorders) {
      const told = changes.map(({ revision }) => revision);
      expect(told.length).toBeGreaterThan(0);
      expect(told).toEqual(revisions.slice(revisions.indexOf(told[0] ?? 0)));
    }
    expect(revisions).toHaveLength(200);
  });
});

test("embedded bus: a watcher of a new folder's records is told each once", async () => {
  const bus = await open(newFolder());
  const keys = await bus.keyValue(CONTROL_BUCKET);
  const recorder = new WatchRecorder();
  await keys.watch("", recorder);
  await keys.create("test.a", envelopeOf("a"));
  await recorder.until(() => recorder.last("test.a") !== undefined);
  expect(recorder.changes.map(({ key }) => key)).toEqual(["group.0", "shard.0", "test.a"]);
});

describe("embedded bus: data folder", () => {
  test("is made when missing, readable by its owner alone", async () => {
    const dataDir = path.join(newFolder(), "a", "b");
    const bus = await open(dataDir);
    await append(bus, newRoom(), { producer: newProducer(), seq: 1 }, "a");
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  });

  test("in use here or by another process is refused as STORE_LOCKED, named", async () => {
    const dataDir = newFolder();
    const bus = await openEmbeddedBus({ dataDir });
    onTestFinished(() => bus.close());
    const again = () => openEmbeddedBus({ dataDir });
    expect(await codeOf(again)).toBe("STORE_LOCKED");
    expect(await detailOf(again)).toContain(dataDir);
    await append(bus, newRoom(), { producer: newProducer(), seq: 1 }, "still works");
    await bus.close();

    const task = { dataDir, producer: "lock-producer---", roomCount: 1, inFlight: 1, total: 0 };
    const holder = new AppendProcess(commandOf(task));
    holder.go();
    await holder.lineCount(1);
    expect(await codeOf(again)).toBe("STORE_LOCKED");
    await holder.kill();
    const after = await open(dataDir);
    expect(after.status().isConnected).toBe(true);
  });

  test("with a damaged or foreign file is refused as STORE_CORRUPT, with what to do", async () => {
    const contents: Record<string, Buffer> = {
      text: Buffer.from("this is not a database, ".repeat(500)),
      header: Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(8192, 0xff)]),
    };
    for (const [name, content] of Object.entries(contents)) {
      const dataDir = path.join(newFolder(), name);
      const bus = await openEmbeddedBus({ dataDir });
      await bus.close();
      writeFileSync(path.join(dataDir, STORE_FILE), content);
      const opening = () => openEmbeddedBus({ dataDir });
      expect(await codeOf(opening)).toBe("STORE_CORRUPT");
      expect(await detailOf(opening)).toMatch(/restore a backup of the folder, or move it away/);
    }
  });

  test("damaged in the middle fails its reads as STORE_CORRUPT, and the process lives", async () => {
    const dataDir = newFolder();
    const room = newRoom();
    const bus = await openEmbeddedBus({ dataDir });
    await appendMany(bus, room, 2000);
    await bus.close();
    const file = path.join(dataDir, STORE_FILE);
    const garbage = Buffer.alloc(statSync(file).size - 8192, 0xa5);
    const whole = spawnSync("dd", [`of=${file}`, "bs=4096", "seek=2", "conv=notrunc"], {
      input: garbage,
    });
    expect(whole.status).toBe(0);
    const outcome = await openEmbeddedBus({ dataDir }).then(
      async (damaged) => {
        onTestFinished(() => damaged.close());
        return codeOf(() => damaged.readAfter(room, null, 500));
      },
      (error) => error.code,
    );
    expect(outcome).toBe("STORE_CORRUPT");
  });

  test("that can not be made or is a file is refused as UNAVAILABLE, named", async () => {
    const file = path.join(newFolder(), "file");
    writeFileSync(file, "x");
    for (const dataDir of [file, path.join(file, "below"), "/proc/nothing/here"]) {
      const opening = () => openEmbeddedBus({ dataDir });
      expect(await codeOf(opening)).toBe("UNAVAILABLE");
      expect(await detailOf(opening)).toContain(dataDir);
    }
  });
});
