import { expect, test } from "vitest";
import {
  checkGroupName,
  gatewayName,
  parseGatewayName,
  parseShardName,
  parseSlotName,
  shardName,
  slotName,
} from "../../controlplane/fleet-names.ts";

test("names of the fleet: what is written is read back", () => {
  expect(parseGatewayName(gatewayName("eu-1"), "name")).toBe("eu-1");
  expect(parseShardName(shardName(255), "name")).toBe(255);
  expect(parseSlotName(slotName(0), "name")).toBe(0);
  expect(slotName(1023)).toBe("groups/0/slots/1023");
  expect(() => checkGroupName("groups/0", "parent")).not.toThrow();
});

test.each([
  ["parseGatewayName", parseGatewayName, ["", "gateways/", "gateways/A", "gateways/a/b", "a"]],
  ["parseGatewayName", parseGatewayName, [`gateways/${"a".repeat(33)}`, "/gateways/a"]],
  ["parseShardName", parseShardName, ["", "0", "groups/0/shards/", "groups/1/shards/0"]],
  ["parseShardName", parseShardName, ["groups/0/shards/-1", "groups/0/shards/1.5"]],
  ["parseShardName", parseShardName, ["groups/0/shards/007", "groups/0/slots/1", "groups/0/1"]],
  ["parseSlotName", parseSlotName, ["groups/0/slots/1/", "groups/0/slots/1e3", "slots/1"]],
  ["checkGroupName", checkGroupName, ["", "groups", "groups/1", "groups/0/", "groups/00"]],
] as const)("%s: refuses other names, and names the field", (_title, parse, names) => {
  for (const name of names) {
    expect(() => parse(name, "field")).toThrow(/^\[REQUEST_INVALID\] field: /);
  }
});
