/**
 * An ack means fsynced. The page cache survives a kill, so the order of system calls is judged:
 * no ack may leave before the sync that follows the write of its message. synchronous=OFF
 * must fail.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { STORE_FILE } from "../../bus/embedded/database.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { AppendProcess, commandOf, killRoom } from "./append-process.ts";
import { readAll } from "./contract-tools.ts";
import { judgeTrace } from "./trace.ts";

const appendCount = 150;
const producer = "trace-producer--";
const probe = spawnSync("strace", ["-f", "-e", "trace=write", "true"], { encoding: "utf8" });
const hasStrace = probe.status === 0;
const isSkipped = !hasStrace && !process.env.CI;
const reason = isSkipped ? " (skipped: strace is missing or may not trace)" : "";

async function trace(isSynchronous: boolean): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-trace-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "trace.txt");
  const calls = "trace=write,writev,pwrite64,pwritev,fdatasync,fsync,sync_file_range,ftruncate";
  const strace = ["strace", "-f", "-y", "-s", "8192", "-e", calls, "-o", file];
  const dataDir = path.join(folder, "data");
  const task = { dataDir, producer, roomCount: 3, inFlight: 8, total: appendCount, isSynchronous };
  const writer = new AppendProcess([...strace, ...commandOf(task)]);
  writer.go();
  await writer.ended();
  expect(writer.lines.at(-1)).toBe("end");
  expect(writer.acks).toHaveLength(appendCount);
  return readFileSync(file, "latin1");
}

describe.skipIf(isSkipped)(`embedded bus durability, by strace${reason}`, () => {
  test("no ack leaves before the sync that follows the write of its message", async () => {
    const verdict = judgeTrace(await trace(true), producer, `${STORE_FILE}-wal`);
    expect(verdict.ackCount).toBe(appendCount);
    expect(verdict.early).toEqual([]);
    expect(verdict.syncCount).toBeGreaterThan(appendCount / 8 - 1);
  }, 60_000);

  test("with synchronous=OFF the same judgement finds acks that left early", async () => {
    const verdict = judgeTrace(await trace(false), producer, `${STORE_FILE}-wal`);
    expect(verdict.ackCount).toBe(appendCount);
    expect(verdict.early.length).toBeGreaterThan(appendCount / 2);
  }, 60_000);
});

describe.skipIf(isSkipped)(`embedded bus with a failing disk, by strace${reason}`, () => {
  test("a failed fsync leaves its commit unknown and ends the store, not the process", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "tidegate-trace-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const injected = "inject=fsync,fdatasync:error=EIO:when=12+";
    const failing = ["-e", "trace=fsync,fdatasync", "-e", injected];
    const strace = ["strace", "-f", ...failing, "-o", path.join(folder, "trace.txt")];
    const dataDir = path.join(folder, "data");
    const task = { dataDir, producer, roomCount: 1, inFlight: 4, total: 200 };
    const writer = new AppendProcess([...strace, ...commandOf(task)]);
    writer.go();
    await writer.ended();
    expect(writer.lines.at(-1)).toBe("end");
    const codes = writer.errors.map(({ code }) => code);
    expect(writer.acks.length).toBeGreaterThan(0);
    expect(writer.acks.length + codes.length).toBe(200);
    const unknownCount = codes.filter((code) => code === "OUTCOME_UNKNOWN").length;
    expect(unknownCount).toBeGreaterThan(0);
    expect(unknownCount).toBeLessThanOrEqual(4);
    expect(codes.slice(0, unknownCount)).toEqual(Array(unknownCount).fill("OUTCOME_UNKNOWN"));
    expect(new Set(codes.slice(unknownCount))).toEqual(new Set(["UNAVAILABLE"]));

    const bus = await openEmbeddedBus({ dataDir });
    onTestFinished(() => bus.close());
    const stored = new Set((await readAll(bus, killRoom(0))).map(({ seq }) => seq));
    for (const { position } of writer.acks) expect(stored).toContain(position.seq);
    expect(stored.size).toBeLessThanOrEqual(writer.acks.length + unknownCount);
  }, 60_000);
});

describe("judgeTrace", () => {
  const write = (seq: number) => `7 pwrite64(20</d/x-wal>, "..<p:${seq}>..", 4096, 0) = 4096`;
  const ack = (seq: number) => `5 write(3<pipe:[1]>, "ack 0 ${seq} 1.${seq}.9\\n", 12) = 12`;
  const judge = (...lines: string[]) => judgeTrace(lines.join("\n"), "p", "x-wal").early;

  test("write, sync, ack is right", () => {
    expect(judge(write(1), "7 fdatasync(20</d/x-wal>) = 0", ack(1))).toEqual([]);
  });

  test("an ack without a sync, before it, after a failed one or after another file's is early", () => {
    expect(judge(write(1), ack(1))).toEqual([1]);
    expect(judge(write(1), ack(1), "7 fdatasync(20</d/x-wal>) = 0")).toEqual([1]);
    expect(judge(write(1), "7 fdatasync(20</d/x-wal>) = -1 EIO", ack(1))).toEqual([1]);
    expect(judge(write(1), "7 fdatasync(21</d/x>) = 0", ack(1))).toEqual([1]);
    expect(judge("7 fdatasync(20</d/x-wal>) = 0", write(1), ack(1))).toEqual([1]);
  });

  test("a sync counts when it has ended, not when it has begun", () => {
    const begun = "7 fdatasync(20</d/x-wal> <unfinished ...>";
    const ended = "7 <... fdatasync resumed>) = 0";
    expect(judge(write(1), begun, ack(1), ended)).toEqual([1]);
    expect(judge(write(1), begun, ended, ack(1))).toEqual([]);
    expect(judge(begun, write(1), ended, ack(1))).toEqual([1]);
  });

  test("an ack of a message that was never written is early", () => {
    expect(judge("7 fdatasync(20</d/x-wal>) = 0", ack(1))).toEqual([1]);
  });
});
