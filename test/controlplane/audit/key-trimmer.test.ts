/**
 * Bounds of what only grows, on an embedded bus: the oldest go, and nothing else.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openEmbeddedBus } from "../../../bus/embedded/embedded-bus.ts";
import type { KeyValue } from "../../../bus/key-value.ts";
import { KeyTrimmer } from "../../../controlplane/audit/key-trimmer.ts";
import { WatchRecorder } from "../../bus/contract-tools.ts";

async function openKeys(): Promise<KeyValue> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-trim-"));
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(async () => {
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return bus.keyValue("control");
}

/** Writes keys whose names sort otherwise than their ages. */
async function write(keys: KeyValue, prefix: string, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 1) {
    await keys.create(`${prefix}${String((i * 7919) % 10_007)}`, Buffer.from(String(i)));
  }
}

async function ages(keys: KeyValue, prefix: string): Promise<number[]> {
  const entries = await keys.list(prefix);
  return entries.map(({ value }) => Number(Buffer.from(value))).sort((a, b) => a - b);
}

test("the oldest beyond a prefix's maximum are deleted, at the start and later", async () => {
  const keys = await openKeys();
  const recorder = new WatchRecorder();
  await keys.watch("", recorder);
  await write(keys, "audit.20261122.", 0, 180);
  await write(keys, "request.", 0, 180);
  await write(keys, "slot.", 0, 180);
  const maxima = new Map([
    ["audit.", 50],
    ["request.", 100],
  ]);
  const trimmer = await KeyTrimmer.start(keys, maxima);
  onTestFinished(() => trimmer.stop());
  const deleted = () => recorder.changes.filter(({ value }) => value === null).length;
  await recorder.until(() => deleted() === 130);
  expect(await ages(keys, "audit.")).toEqual(Array.from({ length: 50 }, (_, i) => 130 + i));
  expect(await ages(keys, "request.")).toHaveLength(180); // not yet a step too many
  await write(keys, "request.", 180, 20);
  await recorder.until(() => deleted() === 230);
  expect(await ages(keys, "request.")).toEqual(Array.from({ length: 100 }, (_, i) => 100 + i));
  expect(await ages(keys, "slot.")).toHaveLength(180);
});

test("two at once delete no more than one would; a stopped one deletes nothing", async () => {
  const keys = await openKeys();
  const maxima = new Map([["audit.", 20]]);
  const recorder = new WatchRecorder();
  await keys.watch("audit.", recorder);
  const trimmers = await Promise.all([1, 2].map(() => KeyTrimmer.start(keys, maxima)));
  await write(keys, "audit.", 0, 120);
  await recorder.until(() => recorder.changes.filter(({ value }) => value === null).length >= 100);
  await Promise.all(trimmers.map((trimmer) => trimmer.stop()));
  expect(await ages(keys, "audit.")).toEqual(Array.from({ length: 20 }, (_, i) => 100 + i));
  await write(keys, "audit.", 120, 120);
  expect(await ages(keys, "audit.")).toHaveLength(140);
});
