/** Whether a process is live, and which slots a filter wants. */
import { expect, test } from "vitest";
import type { ProcessEntry, ShardEntry, SlotEntry } from "../../bus/topology.ts";
import { isWanted, toGateway, toShard, toSlot } from "../../controlplane/fleet-resources.ts";
import { GatewayKind, GatewayState } from "../../proto/gen/tidegate/control/v1/gateway.ts";
import { SlotState } from "../../proto/gen/tidegate/control/v1/slot.ts";

const secondUs = 1_000_000;
const renewedUs = 1_763_800_000_000_000;
const process: ProcessEntry = {
  id: "eu-1",
  parts: "controlplane",
  incarnation: "f00",
  host: "node-1",
  pid: 7,
  version: "1.2.3",
  startedUs: renewedUs - 90 * secondUs,
  renewedUs,
  expiresUs: renewedUs + 45 * secondUs,
  routingRevision: 12,
  facts: new Uint8Array(0),
};

test("toGateway: live until two renewals of a 45 s lease were missed, then silent", () => {
  const stateAfter = (ageS: number, entry = process) =>
    toGateway(entry, renewedUs + ageS * secondUs).state;
  expect([0, 5, 9.9].map((ageS) => stateAfter(ageS))).toEqual([1, 1, 1]);
  expect([10, 30, 44].map((ageS) => stateAfter(ageS))).toEqual([2, 2, 2]);
  const short = { ...process, expiresUs: renewedUs + 9 * secondUs };
  expect([1.9, 2].map((ageS) => stateAfter(ageS, short))).toEqual([1, 2]);
  expect(stateAfter(1000, { ...process, expiresUs: null })).toBe(GatewayState.LIVE);
});

test("toGateway: ages are whole milliseconds, and never below 0 when clocks differ", () => {
  expect(toGateway(process, renewedUs + 1_234_567)).toMatchObject({
    name: "gateways/eu-1",
    kind: GatewayKind.CONTROL_PLANE,
    renewalAgeMs: 1234,
    renewTime: new Date(renewedUs / 1000),
    expireTime: new Date(renewedUs / 1000 + 45_000),
    routingRevision: 12n,
  });
  expect(toGateway(process, renewedUs - secondUs)).toMatchObject({ renewalAgeMs: 0, state: 1 });
  expect(toGateway({ ...process, expiresUs: null }, renewedUs).expireTime).toBeUndefined();
});

const slot: SlotEntry = {
  slot: 5,
  state: "sealing",
  epoch: 2,
  shard: 1,
  targetShard: 3,
  deadlineUs: renewedUs,
  openedUs: 0,
  sealed: [],
  revision: 4,
};

test("isWanted: by shard, also of those on their way to it, and by state", () => {
  const states: SlotState[] = [];
  expect(isWanted(slot, { shard: null, states })).toBe(true);
  expect([0, 1, 2, 3].map((shard) => isWanted(slot, { shard, states }))).toEqual([
    false,
    true,
    false,
    true,
  ]);
  expect(isWanted(slot, { shard: 1, states: [SlotState.OPEN, SlotState.REMOVING] })).toBe(false);
  expect(isWanted(slot, { shard: 1, states: [SlotState.OPEN, SlotState.SEALING] })).toBe(true);
  expect(isWanted(slot, { shard: 2, states: [SlotState.SEALING] })).toBe(false);
});

test("toSlot: times that there are not are absent, shards are named", () => {
  const sealed = { epoch: 1, shard: 0, lastSeq: 9, openedUs: 0, sealedUs: renewedUs };
  const moved = { ...slot, sealed: [{ ...sealed, wentBackwards: true }] };
  expect(toSlot(moved, { shard: 3, revision: 7 })).toMatchObject({
    shard: "groups/0/shards/1",
    targetShard: "groups/0/shards/3",
    openTime: undefined,
    deadlineTime: new Date(renewedUs / 1000),
    sealedEpochs: [{ shard: "groups/0/shards/0", lastSequence: 9n, openTime: undefined }],
    pinnedShard: "groups/0/shards/3",
    etag: expect.stringMatching(/^\d+\.7$/),
  });
  const open = { ...slot, state: "open", targetShard: null, deadlineUs: null } as const;
  expect(toSlot(open, null)).toMatchObject({ targetShard: "", deadlineTime: undefined });
});

test("toShard: what could not be read is absent, and the trouble is told", () => {
  const entry: ShardEntry = {
    ...{ shard: 2, store: "TG_2", slots: [2, 6], arrivingSlots: [9] },
    ...{ settings: null, facts: null, trouble: "no answer" },
  };
  expect(toShard(entry)).toMatchObject({
    ...{ name: "groups/0/shards/2", store: "TG_2", slotCount: 2, arrivingSlotCount: 1 },
    ...{ settings: undefined, status: undefined, trouble: "no answer" },
  });
});
