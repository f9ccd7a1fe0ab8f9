/** The load of slots over several control planes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { openEmbeddedBus } from "../../../bus/embedded/embedded-bus.ts";
import type { ProcessEntry } from "../../../bus/topology.ts";
import { FleetLoads } from "../../../controlplane/routing/fleet-loads.ts";
import { ReportedLoads } from "../../../controlplane/routing/slot-loads.ts";
import { CodedError } from "../../../proto/coded-error.ts";
import { wrapMethods } from "../start-control-plane.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

/** Control planes that answer what they were reported, and one that asks them. */
async function setUp(counts: number[], parts: ProcessEntry["parts"][], silentIds: string[] = []) {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-loads-"));
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(async () => {
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const startedMs = performance.now() - 10_000;
  const answers = counts.map((count, i) => {
    const loads = new ReportedLoads(startedMs);
    const report = { slots: [7, i], messageCounts: [count, 10], kibibyteCounts: [count, 0] };
    loads.add({ spanMs: 10_000, ...report }, startedMs);
    const handlers: Parameters<Bus["answer"]>[1][] = [];
    const answering = wrapMethods(bus, {
      answer: (_, handle) => {
        handlers.push(handle);
        return () => {};
      },
    });
    return { loads: new FleetLoads(answering, loads, () => 1, log), handle: handlers[0] };
  });
  const [own] = await bus.topology.processes();
  if (own === undefined) throw new Error("no process");
  const processes = parts.map((part, i) => ({ ...own, id: `p${i}`, parts: part }));
  const asked: string[] = [];
  const wrapped = wrapMethods(bus, {
    topology: wrapMethods(bus.topology, { processes: async () => processes }),
    ask: async (id, _, body) => {
      asked.push(id);
      const handle = answers[Number(id.slice(1))]?.handle;
      if (handle === undefined || silentIds.includes(id)) {
        throw new CodedError("UNAVAILABLE", "no answer");
      }
      return handle(body);
    },
  });
  return { loads: new FleetLoads(wrapped, new ReportedLoads(0), () => 0, log), asked };
}

test("read: the sum of all control planes, messages and KiB a second; gateways are not asked", async () => {
  const { loads, asked } = await setUp([100, 50], ["controlplane", "all", "gateway"]);
  const { loads: found, isWhole } = await loads.read();
  expect(asked).toEqual(["p0", "p1"]);
  expect([...found.keys()].sort((a, b) => a - b)).toEqual([0, 1, 7]);
  expect(found.get(7)).toBeCloseTo(30, 0); // (100 + 100 + 50 + 50) in about 10 s
  expect(found.get(0)).toBeCloseTo(1, 1);
  expect(isWhole).toBe(true); // two gateways, two report
  const observed = await loads.observed();
  expect([observed.size, observed.get(3)]).toEqual([16_384, 0]);
});

test("read: what is missing makes the picture not whole, and the rest is told", async () => {
  const silent = await setUp([100, 50], ["controlplane", "controlplane", "gateway"], ["p1"]);
  const picture = await silent.loads.read();
  expect(picture.isWhole).toBe(false);
  expect(picture.loads.get(7)).toBeCloseTo(20, 0);
  expect((await silent.loads.observed()).size).toBe(0);
  const unlinked = await setUp([100], ["controlplane", "gateway", "gateway"]);
  expect((await unlinked.loads.read()).isWhole).toBe(false);
});
