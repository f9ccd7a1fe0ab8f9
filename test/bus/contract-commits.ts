/**
 * Contract of the bus, commits: several keys at once, all or nothing.
 */
import { expect } from "vitest";
import {
  COMMIT_BYTES_MAX,
  COMMIT_COUNT_MAX,
  type KeyValue,
  type KeyWrite,
  VALUE_BYTES_MAX,
} from "../../bus/key-value.ts";
import type { DeclareRule } from "./contract.ts";
import { envelopeOf as bytes, codeOf, newPrefix, textOf, WatchRecorder } from "./contract-tools.ts";

/** What a reader finds below a prefix: texts by the rest of the key. */
async function texts(keys: KeyValue, prefix: string): Promise<Record<string, string>> {
  const entries = await keys.list(prefix);
  return Object.fromEntries(
    entries.map(({ key, value }) => [key.slice(prefix.length), textOf(value)]),
  );
}

export function commitRules(rule: DeclareRule): void {
  rule("commit: creates, replaces and deletes at once, with consecutive revisions", async (bus) => {
    const keys = await bus.keyValue("commits");
    const prefix = newPrefix();
    const [a, b, c] = ["a", "b", "c"].map((name) => prefix + name) as [string, string, string];
    const revisionA = await keys.create(a, bytes("1"));
    const revisionB = await keys.create(b, bytes("1"));
    const revisions = await keys.commit([
      { key: c, value: bytes("new"), revision: 0 },
      { key: a, value: bytes("2"), revision: revisionA },
      { key: b, value: null, revision: revisionB },
    ]);
    const [first = 0] = revisions;
    expect(first).toBeGreaterThan(revisionB);
    expect(revisions).toEqual([first, first + 1, first + 2]);
    expect(await texts(keys, prefix)).toEqual({ a: "2", c: "new" });
    expect(await keys.get(c)).toMatchObject({ revision: revisions[0] });
    expect(await keys.get(a)).toMatchObject({ revision: revisions[1] });
    const again = await keys.commit([{ key: b, value: bytes("back"), revision: 0 }]);
    expect(again[0]).toBeGreaterThan(revisions[2] ?? 0);
    expect(await keys.update(c, bytes("newer"), revisions[0] ?? 0)).toBeGreaterThan(again[0] ?? 0);
  });

  rule("commit: one stale revision among several writes nothing", async (bus) => {
    const keys = await bus.keyValue("commits");
    const prefix = newPrefix();
    const names = ["a", "b", "gone"].map((name) => prefix + name);
    const [a, b, gone] = names as [string, string, string];
    const first = await keys.create(a, bytes("1"));
    const present = await keys.update(a, bytes("2"), first);
    const other = await keys.create(b, bytes("1"));
    const deleted = await keys.create(gone, bytes("1"));
    await keys.delete(gone);
    const stale: KeyWrite[] = [
      { key: a, value: bytes("x"), revision: first },
      { key: a, value: bytes("x"), revision: 0 },
      { key: a, value: bytes("x"), revision: present + 1000 },
      { key: a, value: null, revision: first },
      { key: gone, value: bytes("x"), revision: deleted },
      { key: gone, value: bytes("x"), revision: deleted + 1 },
      { key: gone, value: null, revision: deleted },
      { key: `${prefix}never`, value: bytes("x"), revision: 1 },
    ];
    for (const bad of stale) {
      const good = [
        { key: b, value: bytes("half"), revision: other },
        { key: `${prefix}made`, value: bytes("half"), revision: 0 },
      ];
      for (const writes of [
        [bad, ...good],
        [...good, bad],
      ]) {
        expect(await codeOf(() => keys.commit(writes))).toBe("ETAG_MISMATCH");
      }
    }
    expect(await texts(keys, prefix)).toEqual({ a: "2", b: "1" });
    expect(await keys.get(b)).toMatchObject({ revision: other });
  });

  rule("commit: of racing commits that share a key exactly one is written, whole", async (bus) => {
    const keys = await bus.keyValue("commits");
    const prefix = newPrefix();
    let revision = 0;
    for (let round = 0; round < 4; round += 1) {
      const commit = (i: number) =>
        codeOf(() =>
          keys.commit([
            { key: `${prefix}own-${round}.${i}`, value: bytes(String(i)), revision: 0 },
            { key: `${prefix}shared`, value: bytes(String(i)), revision },
          ]),
        );
      const codes = await Promise.all(Array.from({ length: 12 }, (_, i) => commit(i)));
      expect(codes.filter((code) => code === "no error")).toHaveLength(1);
      expect(codes.filter((code) => code === "ETAG_MISMATCH")).toHaveLength(11);
      const winner = codes.indexOf("no error");
      const shared = await keys.get(`${prefix}shared`);
      revision = shared?.revision ?? 0;
      expect(textOf(shared?.value ?? bytes(""))).toBe(String(winner));
      const own = await keys.list(`${prefix}own-${round}.`);
      expect(own.map(({ value }) => textOf(value))).toEqual([String(winner)]);
    }
  });

  rule("commit: nobody who saw one of its writes misses another", async (bus) => {
    const keys = await bus.keyValue("commits");
    const prefix = newPrefix();
    const names = ["a", "b", "c"].map((name) => prefix + name);
    const recorder = new WatchRecorder();
    await keys.watch(prefix, recorder);
    const state = { isStopping: false, count: 0 };
    const writing = writeTogether(keys, names, 60).finally(() => {
      state.isStopping = true;
    });
    while (!state.isStopping) {
      const seen: number[] = [];
      for (const name of names) {
        const entry = await keys.get(name);
        seen.push(entry === null ? -1 : Number(textOf(entry.value)));
      }
      expect(seen).toEqual([...seen].sort((left, right) => left - right));
      state.count += 1;
    }
    const revisions = await writing;
    expect(state.count).toBeGreaterThan(3);
    const last = revisions.at(-1) ?? [];
    await recorder.until(() => recorder.last(names[2] ?? "")?.revision === last[2]);
    // Watchers are told the writes of a commit one after the other, nothing in between.
    const told = recorder.changes.slice(-3).map(({ key, revision }) => [key, revision]);
    expect(told).toEqual(names.map((name, i) => [name, last[i]]));
  });

  rule("commit: a time to live ends the key it was given to, and no other", async (bus) => {
    const keys = await bus.keyValue("ttl");
    const prefix = newPrefix();
    const recorder = new WatchRecorder();
    await keys.watch(prefix, recorder);
    await keys.commit([
      { key: `${prefix}short`, value: bytes("1"), revision: 0, ttlMs: 1000 },
      { key: `${prefix}kept`, value: bytes("1"), revision: 0 },
    ]);
    await recorder.until(() => recorder.last(`${prefix}short`)?.value === null);
    expect(await texts(keys, prefix)).toEqual({ kept: "1" });
    // What has expired does not exist.
    await keys.commit([{ key: `${prefix}short`, value: bytes("2"), revision: 0 }]);
    expect(await texts(keys, prefix)).toEqual({ kept: "1", short: "2" });
  });

  rule("commit: takes COMMIT_COUNT_MAX writes; bad ones are refused", async (bus) => {
    const keys = await bus.keyValue("commits");
    const prefix = newPrefix();
    const write = (name: string): KeyWrite => ({
      key: prefix + name,
      value: bytes(name),
      revision: 0,
    });
    const many = Array.from({ length: COMMIT_COUNT_MAX }, (_, i) => write(String(i)));
    const revisions = await keys.commit(many);
    expect(revisions).toHaveLength(COMMIT_COUNT_MAX);
    expect(await keys.list(prefix)).toHaveLength(COMMIT_COUNT_MAX);
    const large = new Uint8Array(VALUE_BYTES_MAX);
    const largeCount = COMMIT_BYTES_MAX / VALUE_BYTES_MAX + 1;
    const refused: KeyWrite[][] = [
      [],
      [...many, write("more")],
      [write("twice"), write("twice")],
      [write("x"), { ...write("a b"), key: `${prefix}a b` }],
      [{ ...write("x"), revision: -1 }],
      [{ ...write("x"), revision: 1.5 }],
      [{ ...write("x"), value: null }],
      [{ ...write("x"), ttlMs: 1 }],
      [{ ...write("x"), value: new Uint8Array(VALUE_BYTES_MAX + 1) }],
      Array.from({ length: largeCount }, (_, i) => ({ ...write(`l${i}`), value: large })),
    ];
    for (const writes of refused) {
      expect(await codeOf(() => keys.commit(writes))).toBe("REQUEST_INVALID");
    }
    expect(await keys.list(prefix)).toHaveLength(COMMIT_COUNT_MAX);
  });
}

/** Commits the same count to all names, again and again; the revisions of each commit. */
async function writeTogether(
  keys: KeyValue,
  names: readonly string[],
  count: number,
): Promise<number[][]> {
  const all: number[][] = [];
  for (let i = 0; i < count; i += 1) {
    const before = all.at(-1);
    const value = bytes(String(i));
    const writes = names.map((key, at) => ({ key, value, revision: before?.[at] ?? 0 }));
    all.push(await keys.commit(writes));
  }
  return all;
}
