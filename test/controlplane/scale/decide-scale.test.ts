/** When the fleet should grow or shrink: a table of examples. */
import { expect, test } from "vitest";
import {
  decideScale,
  type GatewayLoad,
  type ShardLoad,
} from "../../../controlplane/scale/decide-scale.ts";
import { collectScale } from "../../../controlplane/scale/scale-metrics.ts";
import { metricsText } from "../../telemetry/metrics-text.ts";

/** A gateway by its utilisations in percent: connections, CPU, late timers, bus. */
type Percents = readonly [connections: number, cpu: number, delay?: number, bus?: number];

function gateway([connections, cpu, delay = 0, bus = 0]: Percents, i: number): GatewayLoad {
  return {
    name: `gateways/g${i}`,
    ...{ connectionCount: connections * 10, connectionCountMax: 1000, cpuShare: cpu / 100 },
    ...{ loopDelayMs: delay, busLagMs: bus * 2.5 },
  };
}

function shard(percent: number, i: number): ShardLoad {
  return { name: `groups/0/shards/${i}`, bytes: percent * 100, bytesMax: 10_000 };
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

const calm: Percents = [50, 50];

test.each<[string, Percents[], number[], { gateways: number; shards: number; reasons: RegExp[] }]>([
  [
    "calm",
    times(4, calm),
    [50, 60],
    { gateways: 4, shards: 2, reasons: [/Nothing is to be done/] },
  ],
  [
    "at the trigger exactly: nothing",
    times(4, [80, 10]),
    [80],
    { gateways: 4, shards: 1, reasons: [/Nothing is to be done: 80 % in use, trigger 80 %/] },
  ],
  [
    "connections above it: as many as bring the mean to the trigger",
    times(4, [90, 10]),
    [10],
    { gateways: 5, shards: 1, reasons: [/^Add 1 gateway: connections at 90 %/] },
  ],
  [
    "CPU is what is short",
    times(10, [20, 100]),
    [10],
    { gateways: 13, shards: 1, reasons: [/^Add 3 gateways: CPU at 100 %/] },
  ],
  [
    "late timers are load too",
    times(2, [20, 50, 160]),
    [10],
    { gateways: 4, shards: 1, reasons: [/^Add 2 gateways: late timers at 160 %/] },
  ],
  [
    "a slow bus is no reason for gateways",
    times(3, [50, 50, 0, 120]),
    [50],
    { gateways: 3, shards: 1, reasons: [/^The bus answers in 300 ms: look at NATS/] },
  ],
  [
    "one hot gateway is a matter of balance",
    [[95, 10], calm, [20, 10], calm, calm],
    [50],
    { gateways: 5, shards: 1, reasons: [/^gateways\/g0 is at 95 %, far above the mean: move cli/] },
  ],
  [
    "much too many: fewer, with room to spare",
    times(10, [10, 10]),
    [50],
    { gateways: 3, shards: 1, reasons: [/^7 gateways could go: connections at 10 %/] },
  ],
  [
    "somewhat too many: they stay, or it would swing",
    times(3, [40, 40]),
    [50],
    { gateways: 3, shards: 1, reasons: [/Nothing is to be done/] },
  ],
  [
    "shards are full",
    times(2, calm),
    [95, 95, 90],
    { gateways: 2, shards: 4, reasons: [/^Add 1 shard: stored bytes at 93 %/] },
  ],
  [
    "one shard is full",
    times(2, calm),
    [95, 30, 30],
    { gateways: 2, shards: 3, reasons: [/^groups\/0\/shards\/0 is at 95 %.*: move slots/] },
  ],
  [
    "empty shards are never advised away",
    times(2, calm),
    [1, 1, 1, 1],
    { gateways: 2, shards: 1, reasons: [/Nothing is to be done/] },
  ],
  ["nothing there", [], [], { gateways: 0, shards: 0, reasons: [/No gateway/, /No shard/] }],
])("decideScale: %s", (_, loads, bytes, wanted) => {
  const fleet = { gateways: loads.map(gateway), shards: bytes.map(shard), unknownNames: [] };
  const advice = decideScale(fleet, 0.8);
  expect(advice.gateways).toMatchObject({ count: loads.length, wantedCount: wanted.gateways });
  expect(advice.reasons).toHaveLength(wanted.reasons.length);
  for (const [i, reason] of wanted.reasons.entries()) expect(advice.reasons[i]).toMatch(reason);
  if (!/never advised/.test(_)) expect(advice.shards?.wantedCount).toBe(wanted.shards);
});

test("decideScale: the trigger is an argument, and who says nothing is named", () => {
  const fleet = { gateways: times(4, calm).map(gateway), shards: [shard(10, 0)] };
  const unknownNames = ["gateways/a", "gateways/b", "groups/0/shards/1", "groups/0/shards/2"];
  const advice = decideScale({ ...fleet, unknownNames }, 0.4);
  expect(advice.gateways?.wantedCount).toBe(5);
  expect(advice.reasons.at(-1)).toBe(
    "Not counted, since they say nothing: gateways/a, gateways/b, groups/0/shards/1 and 1 more.",
  );
});

test("collectScale: what an autoscaler reads, line by line", async () => {
  const fleet = { gateways: [gateway([90, 10], 0)], shards: [shard(10, 0)], unknownNames: [] };
  const text = await metricsText([(sink) => collectScale(sink, decideScale(fleet, 0.8))]);
  const lines = text.split("\n").map((line) => line.replace(/gateway="test",?/, ""));
  expect(lines.filter((line) => /^tidegate_(gateway|shard|scale)/.test(line))).toEqual([
    "tidegate_scale_trigger{} 0.8",
    "tidegate_gateways{} 1",
    "tidegate_gateways_wanted{} 2",
    "tidegate_gateways_utilisation{} 0.9",
    "tidegate_shards{} 1",
    "tidegate_shards_wanted{} 1",
    "tidegate_shards_utilisation{} 0.1",
    'tidegate_gateway_utilisation{name="gateways/g0",measure="connections"} 0.9',
    'tidegate_gateway_utilisation{name="gateways/g0",measure="cpu"} 0.1',
    'tidegate_gateway_utilisation{name="gateways/g0",measure="loop_delay"} 0',
    'tidegate_gateway_utilisation{name="gateways/g0",measure="bus_lag"} 0',
    'tidegate_shard_utilisation{name="groups/0/shards/0",measure="bytes"} 0.1',
  ]);
  for (const name of ["tidegate_gateways_wanted", "tidegate_shard_utilisation"]) {
    expect(lines).toContain(`# TYPE ${name} gauge`);
  }
});
