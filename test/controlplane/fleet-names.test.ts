import { expect, test } from "vitest";
import {
  gatewayName,
  groupName,
  operationName,
  parseGatewayName,
  parseGroupName,
  parseOperationName,
  parseShardName,
  parseSlotName,
  shardName,
  slotName,
} from "../../controlplane/fleet-names.ts";

test("names of the fleet: what is written is read back", () => {
  expect(parseGatewayName(gatewayName("eu-1"), "name")).toBe("eu-1");
  expect(parseGroupName(groupName(15), "name")).toBe(15);
  expect(parseShardName(shardName(3, 255), "name")).toEqual({ group: 3, shard: 255 });
  expect(parseSlotName(slotName(0), "name")).toEqual({ group: 0, number: 0, slot: 0 });
  expect(slotName(1023)).toBe("groups/0/slots/1023");
  // Slots are counted over all groups, but named within theirs.
  expect(slotName(2 * 1024 + 7)).toBe("groups/2/slots/7");
  expect(parseSlotName("groups/2/slots/7", "name").slot).toBe(2 * 1024 + 7);
  expect(parseOperationName(operationName("a-1"), "name")).toBe("a-1");
});

test.each([
  ["parseGatewayName", parseGatewayName, ["", "gateways/", "gateways/A", "gateways/a/b", "a"]],
  ["parseGatewayName", parseGatewayName, [`gateways/${"a".repeat(33)}`, "/gateways/a"]],
  ["parseShardName", parseShardName, ["", "0", "groups/0/shards/", "groups/16/shards/0"]],
  ["parseShardName", parseShardName, ["groups/0/shards/-1", "groups/0/shards/1.5"]],
  ["parseShardName", parseShardName, ["groups/0/shards/007", "groups/0/slots/1", "groups/0/1"]],
  ["parseSlotName", parseSlotName, ["groups/0/slots/1/", "groups/0/slots/1e3", "slots/1"]],
  ["parseGroupName", parseGroupName, ["", "groups", "groups/16", "groups/0/", "groups/00"]],
  ["parseOperationName", parseOperationName, ["", "operations/", "operations/A", "operations/a/b"]],
] as const)("%s: refuses other names, and names the field", (_title, parse, names) => {
  for (const name of names) {
    expect(() => parse(name, "field")).toThrow(/^\[REQUEST_INVALID\] field: /);
  }
});
