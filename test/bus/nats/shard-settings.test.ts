/** Which settings a shard has: the record, what a new shard begins with, and an operator's file. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NATS_BUS_DEFAULTS } from "../../../bus/nats/options.ts";
import {
  decideSettings as decideAt,
  parseSettingsFile,
  type SettingsFile,
} from "../../../bus/nats/shard-settings.ts";
import { checkShardLimits, type ShardLimits } from "../../../bus/shard-limits.ts";
import { decodeShardSettings, encodeShardSettings, toLimits } from "../../../bus/shard-record.ts";
import type { ShardSettings } from "../../../proto/gen/tidegate/bus/v1/shard_settings.ts";

const { replicaCount, roomMessageCountMax, retentionMs, shardBytesMax } = NATS_BUS_DEFAULTS;
const options = {
  replicaCount,
  roomMessageCountMax,
  retentionMs,
  shardBytesMax,
  placementTags: [],
};
const decideSettings = (
  kept: ShardSettings | null,
  own: ShardLimits,
  file: SettingsFile | null,
  shard: number,
) => decideAt(kept, own, file, shard, 1_000_000);
const made = decideSettings(null, options, null, 0).settings;

describe("decideSettings", () => {
  test("a new shard begins with the options, revision 1, and keeps them over encoding", () => {
    expect(toLimits(made)).toEqual(options);
    expect(made.revision).toBe(1);
    expect(decodeShardSettings(encodeShardSettings(made))).toEqual(made);
  });

  test("the record beats other options, which are named", () => {
    const other = { ...options, replicaCount: 3, placementTags: ["az:a"] };
    const decision = decideSettings(made, other, null, 0);
    expect(decision.settings).toBe(made);
    expect(decision.isChanged).toBe(false);
    expect(decision.ignored).toEqual(["replicaCount 3 → 1", 'placementTags ["az:a"] → []']);
  });

  test("a file counts once: while its revision is higher than the record's", () => {
    const file = parseSettingsFile(
      '{"revision": 5, "default": {"replicaCount": 3}, "shards": {"7": {"placementTags": ["az:a"]}}}',
    );
    const seventh = decideSettings(made, options, file, 7);
    expect(seventh.isChanged).toBe(true);
    expect(seventh.settings).toEqual({
      ...made,
      revision: 5,
      replicaCount: 3,
      placementTags: ["az:a"],
    });
    expect(decideSettings(made, options, file, 0).settings.placementTags).toEqual([]);
    expect(decideSettings(seventh.settings, options, file, 7)).toMatchObject({
      isChanged: false,
      ignored: [],
    });
    const older = { ...file, revision: 4 };
    expect(decideSettings(seventh.settings, options, older, 7).isChanged).toBe(false);
  });

  test("two processes with any options and files come to rest: no change of one undoes another's", () => {
    const limits = fc.record({ replicaCount: fc.constantFrom(1, 3, 5) });
    const file = fc.record({ revision: fc.integer({ min: 2, max: 9 }), default: limits });
    const process = fc.tuple(limits, fc.option(file));
    fc.assert(
      fc.property(fc.array(process, { minLength: 1, maxLength: 4 }), (processes) => {
        let kept = made;
        let writes = 0;
        for (let round = 0; round < 3; round += 1) {
          for (const [own, maybeFile] of processes) {
            const asFile = maybeFile && { ...maybeFile, shards: new Map() };
            const decision = decideSettings(kept, { ...options, ...own }, asFile, 0);
            if (decision.isChanged) writes += 1;
            if (decision.isChanged && round > 0) throw new Error("it flaps");
            expect(decision.settings.revision).toBeGreaterThanOrEqual(kept.revision);
            kept = decision.settings;
          }
        }
        expect(writes).toBeLessThanOrEqual(processes.length);
      }),
    );
  });
});

describe("parseSettingsFile", () => {
  test.each([
    ["", "no JSON"],
    ["[]", "no JSON object"],
    ["{}", "revision must be"],
    ['{"revision": 1}', "revision must be"],
    ['{"revision": 2.5}', "revision must be"],
    ['{"revision": 2, "shard": {}}', '"shard" is not known'],
    ['{"revision": 2, "shards": []}', "shards is no object"],
    ['{"revision": 2, "shards": {"x": {}}}', "shards.x is no shard"],
    ['{"revision": 2, "shards": {"256": {}}}', "shards.256 is no shard"],
    ['{"revision": 2, "shards": {"3": 1}}', "shards.3: it is no object"],
    ['{"revision": 2, "default": {"replicas": 3}}', '"replicas" is not known'],
    ['{"revision": 2, "default": {"replicaCount": 2}}', "replicaCount is 2: 1, 3 or 5"],
    ['{"revision": 2, "default": {"retentionMs": 59999}}', "retentionMs is 59999, must be 60000"],
    ['{"revision": 2, "default": {"shardBytesMax": "1"}}', 'shardBytesMax is "1", must be'],
    ['{"revision": 2, "default": {"placementTags": "az"}}', 'placementTags is "az", must be'],
    ['{"revision": 2, "default": {"placementTags": ["a b"]}}', 'placementTags is ["a b"], must be'],
  ])("%s is refused by name", (text, named) => {
    expect(() => parseSettingsFile(text)).toThrow("[OPTION_INVALID] SHARD_SETTINGS_FILE");
    expect(() => parseSettingsFile(text)).toThrow(named);
  });
});

test("checkShardLimits: bounds are inside", () => {
  checkShardLimits({ roomMessageCountMax: 1, retentionMs: 60_000, shardBytesMax: 16 * 1024 ** 2 });
  expect(() => checkShardLimits({ roomMessageCountMax: 0 })).toThrow("roomMessageCountMax is 0");
  expect(() => checkShardLimits({ shardBytesMax: 1024 })).toThrow("shardBytesMax is 1024");
});

test("decodeShardSettings: junk is no settings, and never throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const settings = decodeShardSettings(bytes);
      if (settings !== null) checkShardLimits(toLimits(settings));
    }),
  );
  expect(decodeShardSettings(new Uint8Array())).toBeNull();
});
