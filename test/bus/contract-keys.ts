/**
 * Contract of the bus, keys: compare-and-set, time to live, list and watch.
 */
import { expect } from "vitest";
import { KEY_CHARS_MAX, type KeyValue, VALUE_BYTES_MAX } from "../../bus/key-value.ts";
import type { DeclareRule } from "./contract.ts";
import { envelopeOf as bytes, codeOf, newPrefix, textOf, WatchRecorder } from "./contract-tools.ts";

export function keyRules(rule: DeclareRule): void {
  rule("keyValue: create, get, update and delete, each with a higher revision", async (bus) => {
    const keys = await bus.keyValue("contract");
    const key = `${newPrefix()}a`;
    expect(await keys.get(key)).toBeNull();
    const made = await keys.create(key, bytes("one"));
    expect(made).toBeGreaterThanOrEqual(1);
    expect(await keys.get(key)).toMatchObject({ key, revision: made });
    const changed = await keys.update(key, bytes("two"), made);
    expect(changed).toBeGreaterThan(made);
    expect(textOf((await keys.get(key))?.value ?? bytes(""))).toBe("two");
    await keys.delete(key, changed);
    expect(await keys.get(key)).toBeNull();
    expect(await keys.create(key, bytes("three"))).toBeGreaterThan(changed + 1);
  });

  rule("keyValue: a stale revision changes nothing", async (bus) => {
    const keys = await bus.keyValue("contract");
    const key = `${newPrefix()}a`;
    const first = await keys.create(key, bytes("one"));
    const second = await keys.update(key, bytes("two"), first);
    expect(await codeOf(() => keys.create(key, bytes("x")))).toBe("ALREADY_EXISTS");
    expect(await codeOf(() => keys.update(key, bytes("x"), first))).toBe("ETAG_MISMATCH");
    expect(await codeOf(() => keys.update(key, bytes("x"), second + 1))).toBe("ETAG_MISMATCH");
    expect(await codeOf(() => keys.delete(key, first))).toBe("ETAG_MISMATCH");
    expect(await keys.get(key)).toMatchObject({ revision: second });
    await keys.delete(key);
    expect(await codeOf(() => keys.update(key, bytes("x"), second))).toBe("ETAG_MISMATCH");
    expect(await codeOf(() => keys.delete(key, second))).toBe("ETAG_MISMATCH");
    expect(await codeOf(() => keys.delete(key))).toBe("no error");
    expect(await keys.get(key)).toBeNull();
  });

  rule("keyValue: of racing writers exactly one wins", async (bus) => {
    const keys = await bus.keyValue("contract");
    const key = `${newPrefix()}race`;
    const create = (i: number) => codeOf(() => keys.create(key, bytes(`c${i}`)));
    const created = await Promise.all(Array.from({ length: 20 }, (_, i) => create(i)));
    expect(created.filter((code) => code === "no error")).toHaveLength(1);
    expect(created.filter((code) => code === "ALREADY_EXISTS")).toHaveLength(19);
    for (let round = 0; round < 5; round += 1) {
      const revision = (await keys.get(key))?.revision ?? 0;
      const update = (i: number) => codeOf(() => keys.update(key, bytes(`u${i}`), revision));
      const updated = await Promise.all(Array.from({ length: 20 }, (_, i) => update(i)));
      expect(updated.filter((code) => code === "no error")).toHaveLength(1);
      expect(updated.filter((code) => code === "ETAG_MISMATCH")).toHaveLength(19);
    }
  });

  rule("keyValue: list gives the keys of a prefix, sorted, and no others", async (bus) => {
    const keys = await bus.keyValue("contract");
    const prefix = newPrefix();
    const names = ["b", "a", "a.b", "a.c", "a-x", "A/z", "a=1"];
    for (const name of names) await keys.create(prefix + name, bytes(name));
    await keys.create(`${prefix.slice(0, -1)}x.a`, bytes("neighbour"));
    const all = await keys.list(prefix);
    expect(all.map(({ key }) => key)).toEqual(names.map((name) => prefix + name).sort());
    expect(all.map(({ value }) => prefix + textOf(value))).toEqual(all.map(({ key }) => key));
    const inner = await keys.list(`${prefix}a.`);
    expect(inner.map(({ key }) => key)).toEqual([`${prefix}a.b`, `${prefix}a.c`]);
    const everything = new Set((await keys.list("")).map(({ key }) => key));
    for (const { key } of all) expect(everything).toContain(key);
  });

  rule("keyValue: buckets are apart", async (bus) => {
    const [one, two] = [await bus.keyValue("one"), await bus.keyValue("two-2")];
    const key = `${newPrefix()}a`;
    await one.create(key, bytes("1"));
    expect(await two.get(key)).toBeNull();
    await two.create(key, bytes("2"));
    expect(textOf((await one.get(key))?.value ?? bytes(""))).toBe("1");
  });

  rule("keyValue: values of 0 and VALUE_BYTES_MAX bytes come back whole", async (bus) => {
    const keys = await bus.keyValue("contract");
    const prefix = newPrefix();
    for (const length of [0, VALUE_BYTES_MAX]) {
      const value = new Uint8Array(length).fill(7);
      await keys.create(`${prefix}${length}`, value);
      const found = await keys.get(`${prefix}${length}`);
      expect(Buffer.compare(found?.value ?? bytes("none"), value)).toBe(0);
    }
  });

  rule("keyValue: bad names, values and times are refused", async (bus) => {
    const keys = await bus.keyValue("contract");
    const value = bytes("v");
    const long = "a".repeat(KEY_CHARS_MAX + 1);
    const badKeys = ["", ".", "a.", ".a", "a..b", "a b", "ä", "a*", "a>", "$a", long];
    for (const key of badKeys) {
      expect(await codeOf(() => keys.get(key))).toBe("REQUEST_INVALID");
      expect(await codeOf(() => keys.create(key, value))).toBe("REQUEST_INVALID");
      expect(await codeOf(() => keys.update(key, value, 1))).toBe("REQUEST_INVALID");
      expect(await codeOf(() => keys.delete(key))).toBe("REQUEST_INVALID");
    }
    const tooLarge = new Uint8Array(VALUE_BYTES_MAX + 1);
    expect(await codeOf(() => keys.create("a", tooLarge))).toBe("REQUEST_INVALID");
    for (const ttlMs of [1, 999, -1, Number.NaN]) {
      expect(await codeOf(() => keys.create("a", value, ttlMs))).toBe("REQUEST_INVALID");
    }
    for (const bucket of ["", "A", "1a", "a.b", "a".repeat(33)]) {
      expect(await codeOf(() => bus.keyValue(bucket))).toBe("REQUEST_INVALID");
    }
    for (const prefix of ["a", ".", "a..", "*."]) {
      expect(await codeOf(() => keys.list(prefix))).toBe("REQUEST_INVALID");
      expect(await codeOf(() => keys.watch(prefix, new WatchRecorder()))).toBe("REQUEST_INVALID");
    }
    const longest = "k".repeat(KEY_CHARS_MAX);
    expect(await keys.get(longest)).toBeNull();
  });
}

export function watchRules(rule: DeclareRule): void {
  rule("keyValue: watch gives what is there, onSynced once, then changes", async (bus) => {
    const keys = await bus.keyValue("watch");
    const prefix = newPrefix();
    const made = await keys.create(`${prefix}a`, bytes("1"));
    await keys.create(`x${prefix}a`, bytes("not watched"));
    const recorder = new WatchRecorder();
    await keys.watch(prefix, recorder);
    await recorder.until(() => recorder.syncedCount > 0);
    expect(recorder.changes).toMatchObject([{ key: `${prefix}a`, revision: made }]);
    const second = await keys.update(`${prefix}a`, bytes("2"), made);
    await keys.create(`x${prefix}b`, bytes("not watched"));
    const third = await keys.create(`${prefix}b`, bytes("3"));
    await keys.delete(`${prefix}a`);
    await recorder.until(() => recorder.changes.length >= 4);
    expect(recorder.changes.slice(1)).toMatchObject([
      { key: `${prefix}a`, revision: second },
      { key: `${prefix}b`, revision: third },
      { key: `${prefix}a`, value: null },
    ]);
    expect(recorder.changes[3]?.revision).toBeGreaterThan(third);
    expect(recorder.syncedAt).toBe(1);
    expect(recorder.syncedCount).toBe(1);
  });

  rule(
    "keyValue: a watch begun among writes ends with the last, in order, none twice",
    async (bus) => {
      const keys = await bus.keyValue("watch");
      const prefix = newPrefix();
      const writers = ["a", "b", "c"].map((name) => writeMany(keys, prefix + name, 60));
      const recorders: WatchRecorder[] = [];
      for (let i = 0; i < 10; i += 1) {
        const recorder = new WatchRecorder();
        recorders.push(recorder);
        await keys.watch(prefix, recorder);
      }
      const written = await Promise.all(writers);
      for (const recorder of recorders) {
        for (const [i, revisions] of written.entries()) {
          const key = prefix + ("abc"[i] ?? "");
          await recorder.until(() => recorder.last(key)?.revision === revisions.at(-1));
          const seen = recorder.changes.filter((change) => change.key === key);
          const told = seen.map(({ revision }) => revision);
          // Replaced values may be skipped; what is told was written, rises, ends with the last.
          expect(told).toEqual(revisions.filter((revision) => told.includes(revision)));
          expect(told.at(-1)).toBe(revisions.at(-1));
        }
      }
    },
  );

  rule("keyValue: what is read among writes has every key, also rewritten ones", async (bus) => {
    const keys = await bus.keyValue("watch");
    const prefix = newPrefix();
    const names = ["a", "b", "gone"].map((name) => prefix + name);
    for (const name of names) await keys.create(name, bytes("0"));
    await keys.delete(`${prefix}gone`);
    const kept = names.slice(0, 2);
    let isStopping = false;
    const writers = kept.map(async (name) => {
      let revision = (await keys.get(name))?.revision ?? 0;
      while (!isStopping) revision = await keys.update(name, bytes("1"), revision);
    });
    const recorder = new WatchRecorder();
    const lists: string[][] = [];
    try {
      for (let i = 0; i < 80; i += 1) {
        lists.push((await keys.list(prefix)).map(({ key }) => key));
      }
      await keys.watch(prefix, recorder);
      await recorder.until(() => recorder.syncedCount > 0);
    } finally {
      isStopping = true;
      await Promise.all(writers);
    }
    expect(lists).toEqual(lists.map(() => kept));
    const present = recorder.changes.slice(0, recorder.syncedAt);
    expect([...new Set(present.map(({ key }) => key))].sort()).toEqual(kept);
  });

  rule(
    "keyValue: a watch of several prefixes sees them in one order, and nothing else",
    async (bus) => {
      const keys = await bus.keyValue("watch");
      const [a, b, c] = [newPrefix(), newPrefix(), newPrefix()];
      for (const prefix of [a, b, c]) await keys.create(`${prefix}old`, bytes("1"));
      const recorder = new WatchRecorder();
      await keys.watch([a, b], recorder);
      await recorder.until(() => recorder.syncedCount > 0);
      expect(recorder.changes.map(({ key }) => key).sort()).toEqual([`${a}old`, `${b}old`].sort());
      const made: number[] = [];
      await Promise.all(
        Array.from({ length: 60 }, async (_, i) => {
          const prefix = [a, b, c][i % 3];
          const revision = await keys.create(`${prefix}${i}`, bytes("2"));
          if (prefix !== c) made.push(revision);
        }),
      );
      await recorder.until(() => recorder.changes.length >= 42);
      const told = recorder.changes.slice(2).map(({ revision }) => revision);
      expect(told).toEqual(made.sort((left, right) => left - right));
      for (const bad of [[], [a, a], [a, ""], Array.from({ length: 17 }, () => newPrefix())]) {
        expect(await codeOf(() => keys.watch(bad, recorder))).toBe("REQUEST_INVALID");
      }
    },
  );

  rule("keyValue: an ended watch sees no more, and others still do", async (bus) => {
    const keys = await bus.keyValue("watch");
    const prefix = newPrefix();
    const [ended, going] = [new WatchRecorder(), new WatchRecorder()];
    const end = await keys.watch(prefix, ended);
    await keys.watch(prefix, going);
    await keys.create(`${prefix}a`, bytes("1"));
    await ended.until(() => ended.changes.length === 1);
    end();
    end();
    await keys.create(`${prefix}b`, bytes("2"));
    await going.until(() => going.changes.length === 2);
    expect(ended.changes).toHaveLength(1);
  });

  rule("keyValue: a key with a time to live goes, and watchers see it", async (bus) => {
    const keys = await bus.keyValue("ttl");
    const prefix = newPrefix();
    const recorder = new WatchRecorder();
    await keys.watch(prefix, recorder);
    const made = await keys.create(`${prefix}short`, bytes("1"), 1000);
    await keys.create(`${prefix}for-ever`, bytes("2"));
    const renewed = await keys.create(`${prefix}renewed`, bytes("3"), 1000);
    await keys.update(`${prefix}renewed`, bytes("4"), renewed, 600_000);
    const kept = await keys.create(`${prefix}kept`, bytes("5"), 1000);
    await keys.update(`${prefix}kept`, bytes("6"), kept);
    await recorder.until(() => recorder.last(`${prefix}short`)?.value === null);
    const gone = recorder.last(`${prefix}short`);
    expect(gone?.revision).toBeGreaterThan(made);
    expect(await keys.get(`${prefix}short`)).toBeNull();
    expect(await codeOf(() => keys.update(`${prefix}short`, bytes("x"), made))).toBe(
      "ETAG_MISMATCH",
    );
    expect((await keys.list(prefix)).map(({ key }) => key)).toEqual([
      `${prefix}for-ever`,
      `${prefix}kept`,
      `${prefix}renewed`,
    ]);
    const again = await keys.create(`${prefix}short`, bytes("7"));
    expect(again).toBeGreaterThan(gone?.revision ?? 0);
  });
}

/** Creates a key and changes it; the revisions it went through. */
async function writeMany(keys: KeyValue, key: string, count: number): Promise<number[]> {
  const revisions = [await keys.create(key, bytes("0"))];
  for (let i = 1; i < count; i += 1) {
    revisions.push(await keys.update(key, bytes(String(i)), revisions.at(-1) ?? 0));
  }
  return revisions;
}
