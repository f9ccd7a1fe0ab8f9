import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { EmbeddedBus, openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { validateEmbeddedBusOptions } from "../../bus/embedded/options.ts";
import { WorkerLink } from "../../bus/embedded/worker-link.ts";
import { roomAddress } from "../../bus/subjects.ts";
import { AppendProcess, commandOf, killRoom } from "./append-process.ts";
import {
  append,
  appendMany,
  codeOf,
  envelopeOf,
  newProducer,
  newRoom,
  nowUs,
  Recorder,
  readAll,
  textsOf,
  WatchRecorder,
} from "./contract-tools.ts";

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

describe("embedded bus: failures while running", () => {
  test("a file system that takes no more refuses appends; nothing is half stored", async () => {
    const dataDir = newFolder();
    const producer = "limit-producer--";
    const task = { dataDir, producer, roomCount: 2, inFlight: 50, total: 12_000 };
    // Writes past the limit fail with EFBIG, which SQLite reports like any other I/O error.
    const limited = ["bash", "-c", 'ulimit -f 600; exec "$@"', "limited", ...commandOf(task)];
    const writer = new AppendProcess(limited);
    writer.go();
    await writer.ended();
    expect(writer.lines.at(-1)).toBe("end");
    expect(writer.acks.length).toBeGreaterThan(100);
    expect(writer.errors.length).toBeGreaterThan(100);
    expect(new Set(writer.errors.map(({ code }) => code))).toEqual(new Set(["UNAVAILABLE"]));
    const bus = await open(dataDir);
    const stored = [...(await readAll(bus, killRoom(0))), ...(await readAll(bus, killRoom(1)))];
    const seqs = textsOf(stored).map((text) => Number(text.slice(1, -1).split(":")[1]));
    expect(seqs.sort((a, b) => a - b)).toEqual(
      writer.acks.map(({ seq }) => seq).sort((a, b) => a - b),
    );
  });

  test("the death of its thread ends what waits as unknown, and all else as UNAVAILABLE", async () => {
    const options = validateEmbeddedBusOptions({ dataDir: newFolder() });
    const link = await WorkerLink.open(options);
    const bus = new EmbeddedBus(link, options);
    const room = newRoom();
    const producer = newProducer();
    const keys = await bus.keyValue("state");
    await append(bus, room, { producer, seq: 1 }, "one");
    const waiting = codeOf(() => append(bus, room, { producer, seq: 2 }, "two"));
    await new Promise((resolve) => setImmediate(resolve));
    const written = codeOf(() => keys.create("a", envelopeOf("1")));
    const read = codeOf(() => bus.head(room));
    const died = link.terminate();
    const held = codeOf(() => append(bus, room, { producer, seq: 3 }, "three"));
    await died;
    expect(["OUTCOME_UNKNOWN", "no error"]).toContain(await waiting);
    expect(["OUTCOME_UNKNOWN", "no error"]).toContain(await written);
    expect(["UNAVAILABLE", "no error"]).toContain(await read);
    expect(["UNAVAILABLE", "OUTCOME_UNKNOWN"]).toContain(await held);
    expect(bus.status()).toEqual({ isConnected: false, detail: "the store's thread ended" });
    expect(await codeOf(() => append(bus, room, { producer, seq: 4 }, "four"))).toBe("UNAVAILABLE");
    expect(await codeOf(() => bus.publish(room, envelopeOf("a")))).toBe("UNAVAILABLE");
    expect(await codeOf(() => bus.readAfter(room, null, 1))).toBe("UNAVAILABLE");
    expect(await codeOf(() => keys.get("a"))).toBe("UNAVAILABLE");
    await bus.close();
    const after = await open(options.dataDir);
    expect(textsOf(await readAll(after, room))[0]).toBe("one");
  });

  test("bad calls are refused alone, in order, and spoil nobody's commit", async () => {
    const bus = await open(newFolder());
    const room = newRoom();
    const producer = newProducer();
    const huge = "x".repeat(1024 * 1024 + 1);
    const codes = await Promise.all([
      codeOf(() => append(bus, room, { producer, seq: 1 }, "good")),
      codeOf(() => append(bus, room, { producer, seq: 0 }, "a")),
      codeOf(() => append(bus, room, { producer, seq: Number.NaN }, "a")),
      codeOf(() => append(bus, room, { producer, seq: 1.5 }, "a")),
      codeOf(() => append(bus, room, { producer: "short", seq: 2 }, "a")),
      codeOf(() => append(bus, room, { producer, seq: 3 }, "a", Number.NaN)),
      codeOf(() => append(bus, room, { producer, seq: 4 }, huge)),
      codeOf(() => append(bus, room, { producer, seq: 5 }, huge.slice(1))),
    ]);
    const bad = "REQUEST_INVALID";
    const ok = "no error";
    expect(codes).toEqual([ok, bad, bad, bad, bad, bad, "PAYLOAD_TOO_LARGE", ok]);
    expect((await readAll(bus, room)).map(({ envelope }) => envelope.length)).toEqual([
      4,
      1024 * 1024,
    ]);
    for (const limit of [0, -1, 1.5, Number.NaN]) {
      expect(await codeOf(() => bus.readAfter(room, null, limit))).toBe(bad);
      expect(await codeOf(() => bus.readBefore(room, null, limit))).toBe(bad);
      expect(await codeOf(() => bus.floor(room, limit))).toBe(bad);
    }
    for (const slot of [-1, 16 * 1024, 0.5]) {
      expect(await codeOf(() => bus.subscribeSlot(slot, new Recorder()))).toBe(bad);
    }
  });

  test("more waiting appends than the maximum are refused, none out of order", async () => {
    const bus = await open(newFolder());
    const room = newRoom();
    const producer = newProducer();
    const envelope = new Uint8Array(60_000);
    const settled: [number, string][] = [];
    const count = 1500;
    await new Promise<void>((resolve) => {
      for (let seq = 1; seq <= count; seq += 1) {
        bus.append(room, { producer, seq }, nowUs(), envelope, (error) => {
          settled.push([seq, error === null ? "stored" : error.code]);
          if (settled.length === count) resolve();
        });
      }
    });
    expect(settled.map(([seq]) => seq)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    const first = settled.findIndex(([, outcome]) => outcome === "UNAVAILABLE");
    expect(first).toBeGreaterThan(1000);
    expect(settled.slice(0, first).every(([, outcome]) => outcome === "stored")).toBe(true);
    expect(settled.slice(first).every(([, outcome]) => outcome === "UNAVAILABLE")).toBe(true);
    const next = await append(bus, room, { producer, seq: first + 1 }, "retried");
    expect(next.isDuplicate).toBe(false);
  });

  test("two thousand reads at once are all answered, and appends get between them", async () => {
    const bus = await open(newFolder());
    const room = newRoom();
    await appendMany(bus, room, 600);
    const reads = Array.from({ length: 2000 }, () => bus.readAfter(room, null, 20));
    const recorder = new WatchRecorder();
    const keys = await bus.keyValue("state");
    const watching = keys.watch("", recorder);
    const acks = await appendMany(bus, room, 10);
    expect(acks).toHaveLength(10);
    const pages = await Promise.all(reads);
    expect(pages.every(({ messages }) => messages.length === 20)).toBe(true);
    await watching;
    expect(recorder.syncedCount).toBe(1);
  });

  test("pages end early when their envelopes are large, and say so", async () => {
    const bus = await open(newFolder());
    const room = roomAddress("acme", "chat:large");
    const producer = newProducer();
    const text = "x".repeat(1024 * 1024);
    for (let seq = 1; seq <= 6; seq += 1) await append(bus, room, { producer, seq }, text);
    const after = await bus.readAfter(room, null, 500);
    expect(after).toMatchObject({ isContinuous: true, isEnd: false });
    expect(after.messages).toHaveLength(4);
    const before = await bus.readBefore(room, null, 500);
    expect(before.hasMore).toBe(true);
    expect(before.messages).toHaveLength(4);
    expect(await readAll(bus, room)).toHaveLength(6);
  });
});
