/**
 * What time alone changes: flags that get stale, and flags that ask for the time of day. The feed
 * is one that the test tells how old it is.
 */
import { expect, onTestFinished, test } from "vitest";
import { newConnection, Phase } from "../../../gateway/connection.ts";
import type { GatewayContext } from "../../../gateway/context.ts";
import type { ApplyRecord } from "../../../gateway/control-link/control-feed.ts";
import { ClientFlags, FLAGS_STALE_MS } from "../../../gateway/flags/client-flags.ts";
import { inSlices } from "../../../gateway/flags/slices.ts";
import { makeIdentity } from "../../../gateway/identity.ts";
import type { Flags } from "../../../proto/gen/tidegate/client/v1/flag.ts";
import { ServerFrame } from "../../../proto/gen/tidegate/client/v1/frame.ts";
import { FlagSet } from "../../../proto/gen/tidegate/control/v1/flag_set.ts";
import { clientFlag } from "./put-flags.ts";

const profile = { build: { name: "", version: "", platform: "" }, region: "", attributes: [] };

/** Flags of a gateway with one connection, and what it was sent. */
async function flagsOf(flag: object) {
  const feed = { version: 1, ageMs: 0, apply: null as ApplyRecord | null };
  const follow = (_: string, apply: ApplyRecord) => {
    feed.apply = apply;
  };
  const flags = new ClientFlags(Object.assign(feed, { follow }), {
    ...{ staleLookMs: 10, timedLookMs: 10 },
  });
  const sent: Flags[] = [];
  let wake = () => {};
  const sender = {
    ackWindowMs: 0,
    send: (_: unknown, frame: Uint8Array) => {
      const decoded = ServerFrame.decode(frame).frame;
      if (decoded?.$case === "flags") sent.push(decoded.value);
      wake();
    },
  };
  const log = { error: (fields: { error?: Error }) => expect(fields.error).toBeUndefined() };
  const context = { gatewayId: "gw", options: { region: "" }, sender, log, flags };
  const connection = newConnection(1);
  const identity = makeIdentity({ tenant: "default", user: "anna", grants: [] });
  Object.assign(connection, { profile, identity, phase: Phase.OPEN });
  flags.start(context as unknown as GatewayContext, new Set([connection]));
  onTestFinished(() => flags.close());
  const definition = JSON.stringify({ flags: { f: flag } });
  const record = { ...FlagSet.decode(new Uint8Array(0)), definition };
  expect(feed.apply?.("flags.web", FlagSet.encode(record).finish())).toBeNull();
  const frame = async (index: number): Promise<Flags> => {
    for (;;) {
      const found = sent[index];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { flags, feed, sent, frame };
}

test("flags that are not proven for 30 s are stale: clients are told, once, and when it is over", async () => {
  const { flags, feed, sent, frame } = await flagsOf(clientFlag());
  expect(await frame(0)).toMatchObject({ flags: [{ key: "f" }], stale: false });
  const told: boolean[] = [];
  flags.follow(
    () => {},
    (isStale) => told.push(isStale),
  );
  feed.ageMs = FLAGS_STALE_MS + 1;
  expect(await frame(1)).toMatchObject({ flags: [], all: false, stale: true, ageMs: 30_001 });
  expect(flags.status.isStale).toBe(true);
  feed.ageMs = 5;
  expect(await frame(2)).toMatchObject({ flags: [], all: false, stale: false, ageMs: 5 });
  expect(told).toEqual([true, false]);
  expect(sent).toHaveLength(3);
});

test("a flag that asks for the time changes for a client with nobody changing it, once", async () => {
  const endS = Math.floor(Date.now() / 1000) + 1;
  const targeting = { if: [{ "<=": [{ var: "$flagd.timestamp" }, endS] }, "off", "on"] };
  const { flags, feed, sent, frame } = await flagsOf(clientFlag({ targeting }));
  expect((await frame(0)).flags).toMatchObject([{ key: "f", valueJson: "false" }]);
  expect(await frame(1)).toMatchObject({ all: false, flags: [{ key: "f", valueJson: "true" }] });
  // Looks go on, as these show; it is not told again.
  for (let i = 0; i < 3; i += 1) {
    feed.ageMs = i % 2 === 0 ? FLAGS_STALE_MS + 1 : 0;
    await frame(2 + i);
  }
  expect(sent.filter((each) => each.flags.length > 0)).toHaveLength(2);
  expect(flags.status.toldCount).toBe(5);
});

test("work on many lets the loop turn after each slice, and meets those that come meanwhile", async () => {
  const items = new Set([1, 2, 3]);
  let turns = 0;
  const seen: number[] = [];
  const next = () => {
    turns += 1;
    if (items.size < 5) items.add(items.size + 1);
    if (seen.length < 5) setImmediate(next);
  };
  setImmediate(next);
  const slices = await inSlices(
    items,
    (item) => seen.push(item),
    () => seen.length === 5,
    0, // each item is a slice
  );
  expect(seen).toEqual([1, 2, 3, 4, 5]);
  expect(slices).toBeGreaterThanOrEqual(4);
  expect(turns).toBeGreaterThanOrEqual(3);
});
