/** How a present stream differs from a shard's, and what is done about it. */
import type { StreamConfig } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import {
  compareStream,
  differenceTable,
  mendedStream,
  shardStreamConfig,
} from "../../../bus/nats/stream-config.ts";
import { ShardState } from "../../../proto/gen/tidegate/bus/v1/shard_settings.ts";

const settings = {
  revision: 1,
  replicaCount: 3,
  roomMessageCountMax: 1000,
  retentionMs: 60_000n,
  bytesMax: 1_000_000_000n,
  placementTags: ["az:a", "ssd"],
  ...{ group: 0, region: "", capacity: 1, state: ShardState.ACTIVE },
  ...{ createdUs: 0n, retiredUs: 0n, wholeFromUs: 0n, stateUs: 0n },
};
const subjects = ["tg.seal.0.>", "tg.in.0-5.1.*"];
const wanted = shardStreamConfig(0, subjects, settings, 30_000);
const same = structuredClone(wanted) as StreamConfig;

test("compareStream: a stream as it was made does not differ, nor one that a move raised", () => {
  expect(compareStream(wanted, same)).toEqual({ changes: [], conflicts: [] });
  const tags = { ...same, placement: { cluster: "", tags: ["ssd", "az:a"] } };
  expect(compareStream(wanted, tags).changes).toEqual([]);
  const raised = { ...same, max_bytes: same.max_bytes + 5 * 1024 ** 2 };
  expect(compareStream(wanted, raised).changes).toEqual([]);
  const moved = { ...same, subjects: ["tg.in.0-7.12.*", "tg.seal.0.>"] };
  expect(compareStream(wanted, moved)).toEqual({ changes: [], conflicts: [] });
});

test.each([
  ["num_replicas", 1],
  ["max_msgs_per_subject", 5],
  ["max_age", 0],
  ["max_bytes", 999_999_999],
  ["max_bytes", -1],
  ["max_msgs", 100],
  ["max_msg_size", 100],
  ["duplicate_window", 1],
  ["allow_direct", undefined],
  ["placement", undefined],
] as const)("compareStream: %s %s is mended, and nothing else is touched", (setting, value) => {
  const present = { ...same, [setting]: value, description: "by hand", subjects: ["tg.seal.0.>"] };
  const { changes, conflicts } = compareStream(wanted, present as StreamConfig);
  expect(conflicts).toEqual([]);
  expect(changes.map((change) => change.setting)).toEqual([setting]);
  const mended = mendedStream(wanted, present as StreamConfig);
  expect(mended).toEqual({ ...present, [setting]: wanted[setting] });
  expect(compareStream(wanted, mended)).toEqual({ changes: [], conflicts: [] });
});

test.each([
  ["storage", "memory"],
  ["retention", "workqueue"],
  ["discard", "old"],
  ["discard_new_per_subject", true],
  ["republish", undefined],
  ["republish", { src: "tg.in.>", dest: "tg.out.>", headers_only: true }],
  ["no_ack", true],
  ["sealed", true],
  ["mirror", { name: "OTHER" }],
  ["sources", [{ name: "OTHER" }]],
  ["subject_transform", { src: ">", dest: "x.>" }],
  ["subjects", ["tg.seal.0.>", "orders.>"]],
  ["subjects", ["tg.>"]],
  ["subjects", ["tg.in.>"]],
] as const)("compareStream: %s %j is a conflict, shown as a table", (setting, value) => {
  const present = { ...same, [setting]: value } as StreamConfig;
  const { conflicts } = compareStream(wanted, present);
  expect(conflicts.map((conflict) => conflict.setting)).toEqual([setting]);
  const [head, row, ...more] = differenceTable(conflicts).split("\n");
  expect(head).toMatch(/^ {2}setting +is +must be$/);
  expect(row).toMatch(new RegExp(`^ {2}${setting} `));
  expect(more).toEqual([]);
});
