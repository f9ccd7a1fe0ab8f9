/**
 * The door of changes, on an embedded bus: record, audit entry and memory of the request are
 * written together or not at all.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import type { KeyValue } from "../../bus/key-value.ts";
import type { Caller } from "../../controlplane/access/caller.ts";
import { type ChangeSpec, ControlStore } from "../../controlplane/control-store.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { AuditEntry } from "../../proto/gen/tidegate/control/v1/audit.ts";
import { codeOf } from "../bus/contract-tools.ts";
import { wrapKeys } from "./start-control-plane.ts";

const anna: Caller = { principal: "anna", role: "operator", gatewayId: null, peer: "1.2.3.4:5" };
const bert: Caller = { ...anna, principal: "bert" };
const plain = { validateOnly: false, requestId: "" };

interface Scene {
  readonly store: ControlStore;
  readonly keys: KeyValue;
  /** Audit entries, oldest first. */
  entries(): Promise<AuditEntry[]>;
}

async function openStore(wrap: (keys: KeyValue) => Partial<KeyValue> = () => ({})): Promise<Scene> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-store-"));
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(async () => {
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const store = await ControlStore.open(wrapKeys(bus, wrap));
  const entries = async () => {
    const found = await store.keys.list("audit.");
    return found.map(({ value }) => AuditEntry.decode(value));
  };
  return { store, keys: await bus.keyValue("control"), entries };
}

/** Sets "thing.<name>" to a text; what it was and is goes into the audit log. */
function setThing(
  name: string,
  text: string,
  along: ChangeSpec["decide"] | null = null,
): ChangeSpec {
  return {
    key: `thing.${name}`,
    audit: { method: "test.Things/Set", resource: `things/${name}` },
    decide:
      along ??
      (({ value }) => ({
        kind: "write",
        value: Buffer.from(text),
        before: value === null ? undefined : { text: Buffer.from(value).toString() },
        after: { text },
      })),
  };
}

test("changeRecord: a change and its entry, from what to what", async () => {
  const { store, entries } = await openStore();
  const first = await store.changeRecord(anna, setThing("a", "one"), plain);
  expect(await store.keys.get("thing.a")).toMatchObject({ revision: first.revision });
  const second = await store.changeRecord(bert, setThing("a", "two"), {
    ...plain,
    etag: String(first.revision),
  });
  expect(second.revision).toBeGreaterThan(first.revision);
  const shared = { method: "test.Things/Set", resource: "things/a", peer: "1.2.3.4:5" };
  expect(await entries()).toMatchObject([
    { ...shared, principal: "anna", role: "operator", before: "", after: '{"text":"one"}' },
    { ...shared, principal: "bert", before: '{"text":"one"}', after: '{"text":"two"}' },
  ]);
  const [{ name, time, outcome } = AuditEntry.decode(new Uint8Array(0))] = await entries();
  expect(name).toMatch(/^auditEntries\/\d{13}-\d{6}-[0-9a-f]{8}$/);
  expect(outcome).toBe("OK");
  expect(Math.abs(Date.now() - (time?.getTime() ?? 0))).toBeLessThan(60_000);
});

test("changeRecord: refused, stale, unchanged and validate_only write nothing at all", async () => {
  const { store, keys } = await openStore();
  const { revision } = await store.changeRecord(anna, setThing("a", "one"), plain);
  const before = await keys.list("");
  const stale = { ...plain, etag: String(revision - 1), requestId: "r" };
  expect(await codeOf(() => store.changeRecord(anna, setThing("a", "x"), stale))).toBe(
    "ETAG_MISMATCH",
  );
  const missing = { ...plain, etag: "77" };
  expect(await codeOf(() => store.changeRecord(anna, setThing("b", "x"), missing))).toBe(
    "ETAG_MISMATCH",
  );
  const refusing = setThing("a", "x", () => {
    throw new CodedError("BUILT_IN", "no");
  });
  expect(await codeOf(() => store.changeRecord(anna, refusing, plain))).toBe("BUILT_IN");
  const unchanged = setThing("a", "x", () => ({ kind: "none" }));
  expect(await store.changeRecord(anna, unchanged, plain)).toMatchObject({ revision });
  const dry = { validateOnly: true, requestId: "r" };
  const would = await store.changeRecord(anna, setThing("a", "would"), dry);
  expect(would).toEqual({ value: Buffer.from("would"), revision, isRepeat: false });
  expect(await keys.list("")).toEqual(before);
});

test("changeRecord: of racing changes all come through, each with one entry", async () => {
  const { store, entries } = await openStore();
  const count = setThing("count", "", ({ value }) => {
    const next = Number(value === null ? 0 : Buffer.from(value).toString()) + 1;
    return { kind: "write", value: Buffer.from(String(next)), before: next - 1, after: next };
  });
  await Promise.all(Array.from({ length: 12 }, () => store.changeRecord(anna, count, plain)));
  const entry = await store.keys.get("thing.count");
  expect(Buffer.from(entry?.value ?? []).toString()).toBe("12");
  const after = (await entries()).map((each) => Number(each.after));
  expect(after.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
});

test("changeRecord: what goes along is written with it, or nothing is", async () => {
  const { store, keys, entries } = await openStore();
  await keys.create("thing.other", Buffer.from("x"));
  const withOther = (revision: number) =>
    setThing("a", "", () => ({
      kind: "write",
      value: Buffer.from("a"),
      before: undefined,
      after: "a",
      along: [{ key: "thing.other", value: Buffer.from("y"), revision }],
    }));
  const stale = withOther(999);
  expect(await codeOf(() => store.changeRecord(anna, stale, plain))).toBe("ETAG_MISMATCH");
  expect(await keys.get("thing.a")).toBeNull();
  expect(await entries()).toEqual([]);
  const other = await keys.get("thing.other");
  const wish = { ...plain, requestId: "along" };
  const first = await store.changeRecord(anna, withOther(other?.revision ?? 0), wish);
  const changed = await keys.get("thing.other");
  expect(Buffer.from(changed?.value ?? []).toString()).toBe("y");
  const repeat = await store.changeRecord(anna, stale, wish);
  expect(repeat).toEqual({ ...first, isRepeat: true });
  expect(await keys.get("thing.a")).toMatchObject({ revision: first.revision });
});

test("changeRecord: a repeated request id gets the first answer, whatever happened since", async () => {
  const { store, entries } = await openStore();
  const wish = { ...plain, requestId: "4f0c 1" };
  const made = await store.changeRecord(anna, setThing("a", "one"), wish);
  await store.changeRecord(bert, setThing("a", "two"), plain);
  for (const text of ["one", "three"]) {
    const repeat = await store.changeRecord(anna, setThing("a", text), wish);
    expect(repeat.isRepeat).toBe(true);
    expect(repeat.revision).toBe(made.revision);
    expect(Buffer.from(repeat.value ?? []).toString()).toBe("one");
  }
  expect(await entries()).toHaveLength(2);
  // Another caller's id is another id, and one id is good for one request.
  expect(await store.changeRecord(bert, setThing("b", "b"), wish)).toMatchObject({
    isRepeat: false,
  });
  const elsewhere = store.changeRecord(anna, setThing("c", "c"), wish);
  await expect(elsewhere).rejects.toMatchObject({ code: "REQUEST_INVALID" });
  const erase = setThing("a", "", () => ({ kind: "erase", before: "?" }));
  const gone = await store.changeRecord(anna, erase, { ...plain, requestId: "erase" });
  const again = await store.changeRecord(anna, erase, { ...plain, requestId: "erase" });
  expect(again).toEqual({ value: null, revision: gone.revision, isRepeat: true });
});

test("changeRecord: racing repeats of one request do it once", async () => {
  const { store, entries } = await openStore();
  const wish = { ...plain, requestId: "same" };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => store.changeRecord(anna, setThing("a", "one"), wish)),
  );
  expect(answers.filter(({ isRepeat }) => !isRepeat)).toHaveLength(1);
  expect(new Set(answers.map(({ revision }) => revision)).size).toBe(1);
  expect(await entries()).toHaveLength(1);
});

test("changeRecord: a commit without an answer may be repeated with the same id", async () => {
  let isLosing = true;
  const { store, entries } = await openStore((keys) => ({
    commit: async (writes) => {
      const revisions = await keys.commit(writes);
      if (!isLosing) return revisions;
      isLosing = false;
      throw new CodedError("UNAVAILABLE", "the answer was lost");
    },
  }));
  const wish = { ...plain, requestId: "lost" };
  const spec = setThing("a", "one");
  expect(await codeOf(() => store.changeRecord(anna, spec, wish))).toBe("UNAVAILABLE");
  const { revision = 0 } = (await store.keys.get("thing.a")) ?? {};
  expect(await store.changeRecord(anna, spec, wish)).toMatchObject({ revision, isRepeat: true });
  expect(await entries()).toHaveLength(1);
});

test("changeRecord: bad request ids are refused", async () => {
  const { store, keys } = await openStore();
  const before = await keys.list("");
  for (const requestId of ["a".repeat(65), "ä", "a\nb", "\u007f"]) {
    const changing = store.changeRecord(anna, setThing("a", "x"), { ...plain, requestId });
    await expect(changing).rejects.toMatchObject({
      code: "REQUEST_INVALID",
      violations: [{ field: "request_id" }],
    });
  }
  expect(await keys.list("")).toEqual(before);
});

test("along: entry and memory for a commit that somebody else makes", async () => {
  const { store, keys, entries } = await openStore();
  const subject = { method: "test.Things/Make", resource: "things/7" };
  const answer = Buffer.from("7");
  const writes = store.along(anna, subject, { after: { n: 7 } }, "id", answer);
  await keys.commit([{ key: "thing.7", value: Buffer.from("x"), revision: 0 }, ...writes]);
  expect(await entries()).toMatchObject([{ resource: "things/7", requestId: "id" }]);
  const repeat = await store.findRepeat(anna, subject, { validateOnly: false, requestId: "id" });
  expect(Buffer.from(repeat?.value ?? []).toString()).toBe("7");
  expect(store.along(anna, subject, {}, "")).toHaveLength(1);
});
