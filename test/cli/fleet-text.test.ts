/** The fleet in words and tables, and that tables fit into 80 columns. */
import { expect, test } from "vitest";
import {
  detailTable,
  gatewayTable,
  gatewayText,
  shardTable,
  shardText,
  slotTable,
  slotText,
} from "../../cli/fleet-text.ts";
import { Gateway, GatewayKind, GatewayState } from "../../proto/gen/tidegate/control/v1/gateway.ts";
import { GatewayFacts, ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { Shard, ShardState } from "../../proto/gen/tidegate/control/v1/shard.ts";
import { Slot, SlotState } from "../../proto/gen/tidegate/control/v1/slot.ts";

const empty = new Uint8Array(0);
const time = new Date("2026-11-22T12:00:00.000Z");

function widest(table: string): number {
  return Math.max(...table.split("\n").map((line) => line.length));
}

test("gateways: a silent one is told from a live one, and ages need no clock of ours", () => {
  const dead: Gateway = {
    ...Gateway.decode(empty),
    ...{ name: "gateways/3f2a9c1b", kind: GatewayKind.CONTROL_PLANE, state: GatewayState.SILENT },
    ...{ incarnation: "f00", host: "ip-10-20-30-41", pid: 1_234_567, version: "0.12.3" },
    startTime: new Date(time.getTime() - 90_000_000),
    renewTime: time,
    renewalAgeMs: 44_900,
  };
  const text = gatewayText(dead);
  expect(text).toMatchObject({ id: "3f2a9c1b", kind: "control", expireTime: null });
  const table = gatewayTable([text]);
  expect(table).toBe(
    [
      "ID        KIND     STATE       REGION  CONNS  ROOMS  CPU  CONFIG  VERSION",
      "3f2a9c1b  control  silent 44s  -       -      -      -    -       0.12.3",
      "",
    ].join("\n"),
  );
});

test("gateways: what one says of itself: region, load, age of its configuration, and a drain", () => {
  const facts: GatewayFacts = {
    ...GatewayFacts.decode(empty),
    ...{ region: "eu-west-1", connectionCount: 99_999, roomCount: 25_000, cpuShare: 0.7151 },
    ...{ configVersion: 9n, configAgeMs: 250_000, state: ServingState.DRAINING },
  };
  const live: Gateway = {
    ...Gateway.decode(empty),
    ...{ name: "gateways/3f2a9c1b", kind: GatewayKind.GATEWAY, state: GatewayState.LIVE, facts },
    version: "0.12.3",
  };
  const text = gatewayText(live);
  expect(text.facts).toMatchObject({ serving: "draining", cpuShare: 0.715, configVersion: 9 });
  const table = gatewayTable([text]);
  expect(table).toBe(
    [
      "ID        KIND     STATE     REGION     CONNS  ROOMS  CPU  CONFIG  VERSION",
      "3f2a9c1b  gateway  draining  eu-west-1  99999  25000  72%  4m10s   0.12.3",
      "",
    ].join("\n"),
  );
  expect(widest(table)).toBeLessThanOrEqual(80);
  const serving = { ...live, facts: { ...facts, state: ServingState.SERVING } };
  expect(gatewayTable([gatewayText(serving)])).toContain("  live  ");
});

test("shards: a full one fits, and one without an answer has dashes and its reason", () => {
  const full: Shard = {
    ...Shard.decode(empty),
    ...{ name: "groups/0/shards/255", slotCount: 64, arrivingSlotCount: 2 },
    state: ShardState.DRAINING,
    status: {
      ...{ leader: "nats-2", messageCount: 25_000_000n, firstSequence: 900n },
      ...{ lastSequence: 123_456_789n, bytes: 8_150_000_000n, bytesMax: 8_589_934_592n },
      replicaCount: 3,
    },
  };
  const silent = { ...Shard.decode(empty), name: "groups/0/shards/1", trouble: "no answer" };
  const table = shardTable([shardText(full), shardText(silent)]);
  expect(table).toBe(
    [
      "SHARD  STATE     SLOTS  MESSAGES  BYTES    OF       FULL  COPIES  LEADER",
      "255    draining  64+2   25000000  7.6 GiB  8.0 GiB  94%   3       nats-2",
      "1      -         0      -         -        -        -     -       -",
      "shard 1: no answer",
      "",
    ].join("\n"),
  );
  expect(widest(table)).toBeLessThanOrEqual(80);
});

test("slots: a move shows where it goes, and one slot shows its earlier epochs", () => {
  const sealed = { epoch: 1, shard: "groups/0/shards/2", lastSequence: 9n, openTime: undefined };
  const moving: Slot = {
    ...Slot.decode(empty),
    ...{ name: "groups/0/slots/1023", state: SlotState.REMOVING, epoch: 2 },
    ...{ shard: "groups/0/shards/0", targetShard: "groups/0/shards/3", openTime: time },
    sealedEpochs: [{ ...sealed, sealTime: time, wentBackwards: true }],
  };
  const text = slotText(moving);
  const table = slotTable([text]);
  expect(table).toBe(
    [
      "SLOT  STATE     EPOCH  SHARD  TARGET  PINNED  OPENED                    EARLIER",
      "1023  removing  2      0      3       -       2026-11-22T12:00:00.000Z  1",
      "",
    ].join("\n"),
  );
  expect(widest(table)).toBeLessThanOrEqual(80);
  const detail = detailTable(text);
  expect(detail).toContain("targetShard                   3\n");
  expect(detail).toContain("sealedEpochs.0.wentBackwards  true\n");
  expect(detail).toContain("sealedEpochs.0.openTime       -\n");
});
