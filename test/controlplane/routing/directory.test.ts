/** What gateways hear of other gateways, and what of it is worth a message. */
import { expect, test } from "vitest";
import type { ProcessEntry } from "../../../bus/topology.ts";
import { decideChanges, toDirectory } from "../../../controlplane/routing/directory.ts";
import {
  GatewayFacts,
  ServingState,
} from "../../../proto/gen/tidegate/control/v1/gateway_facts.ts";

const renewedUs = 1_763_800_000_000_000;

function gateway(id: string, facts: Partial<GatewayFacts> = {}): ProcessEntry {
  const whole: GatewayFacts = {
    ...GatewayFacts.decode(new Uint8Array(0)),
    ...{ state: ServingState.SERVING, connectionCount: 100, connectionCountMax: 1000 },
    ...facts,
  };
  return {
    ...{ id, parts: "gateway", incarnation: "i", host: "h", pid: 1, version: "1.0.0" },
    ...{ startedUs: renewedUs, renewedUs, expiresUs: renewedUs + 45_000_000 },
    ...{ routingRevision: 0, facts: GatewayFacts.encode(whole).finish() },
  };
}

test("toDirectory: gateways with their load; accepting are those that serve and live", () => {
  const silent = { ...gateway("c"), renewedUs: renewedUs - 30_000_000, expiresUs: renewedUs + 1 };
  const processes = [
    gateway("a", { region: "eu", advertiseUrl: "wss://a" }),
    gateway("b", { state: ServingState.DRAINING }),
    silent,
    { ...gateway("plane"), facts: new Uint8Array(0) },
    { ...gateway("foreign"), facts: new Uint8Array([255, 255]) },
  ];
  const directory = toDirectory(processes, renewedUs);
  expect([...directory.values()].map(({ name, accepting }) => [name, accepting])).toEqual([
    ["gateways/a", true],
    ["gateways/b", false],
    ["gateways/c", false],
  ]);
  const found = { region: "eu", advertiseUrl: "wss://a", connectionCount: 100, version: "1.0.0" };
  expect(directory.get("gateways/a")).toMatchObject(found);
});

test("decideChanges: a gateway of another version is told: it may fit other clients", () => {
  const told = toDirectory([gateway("a")], renewedUs);
  const now = toDirectory([{ ...gateway("a"), version: "1.1.0" }], renewedUs);
  expect(decideChanges(told, now).changed).toMatchObject([{ version: "1.1.0" }]);
});

test.each([
  [{ connectionCount: 120 }, false],
  [{ connectionCount: 121 }, true],
  [{ cpuShare: 0.1 }, false],
  [{ cpuShare: 0.11 }, true],
  [{ connectRate: 51 }, true],
  [{ advertiseUrl: "wss://other" }, true],
  [{ region: "us" }, true],
  [{ state: ServingState.ANNOUNCING }, true],
  [{ connectionCountMax: 999 }, true],
  [{ roomCount: 9999 }, false],
] as const)("decideChanges: %o is told: %s", (facts, isTold) => {
  const told = toDirectory([gateway("a")], renewedUs);
  const { changed, gone } = decideChanges(told, toDirectory([gateway("a", facts)], renewedUs));
  expect([changed.length, gone]).toEqual([isTold ? 1 : 0, []]);
});

test("decideChanges: newcomers, and those that are gone", () => {
  const told = toDirectory([gateway("a"), gateway("b")], renewedUs);
  const now = toDirectory([gateway("b"), gateway("c")], renewedUs);
  const { changed, gone } = decideChanges(told, now);
  expect([changed.map(({ name }) => name), gone]).toEqual([["gateways/c"], ["gateways/a"]]);
});
