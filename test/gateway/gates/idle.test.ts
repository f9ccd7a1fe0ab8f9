import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { gateKey } from "../../../proto/gates/names.ts";
import { GateAction, VersionGate } from "../../../proto/gen/tidegate/control/v1/version_gate.ts";
import { gateRecord } from "../../proto/gates/gate-tools.ts";
import { testGateway } from "../start-gateway.ts";

const loaded = () =>
  Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes("/semver/"));

test("who has no gates does not load what reads versions: not at the start, nor at Hello", async () => {
  const server = await testGateway();
  const client = await server.client();
  await client.join("live:a");
  expect(loaded()).toEqual([]);
  const keys = await server.bus.keyValue(CONTROL_BUCKET);
  const gate = gateRecord({ required: ">=2.0.0", action: GateAction.WARN });
  await keys.create(gateKey("a"), VersionGate.encode(gate).finish());
  await client.next("versionMismatch");
  expect(loaded()).not.toEqual([]);
});
