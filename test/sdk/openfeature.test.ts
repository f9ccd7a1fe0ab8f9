/** The provider for OpenFeature's web SDK, behind the SDK's own client. */
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import { expect, onTestFinished, test } from "vitest";
import type { Flags as WireFlags } from "../../proto/gen/tidegate/client/v1/flag.ts";
import { Flags } from "../../sdk/typescript/flags.ts";
import { TidegateProvider } from "../../sdk/typescript/openfeature.ts";
import { makeClient, startGateway } from "./scene.ts";

const off = { key: "off", valueJson: "", variant: "", reason: "DISABLED", version: 4n };

function frame(values: Record<string, unknown>, rest: Partial<WireFlags> = {}): WireFlags {
  const flags = Object.entries(values).map(([key, value]) => ({
    ...{ key, valueJson: value === undefined ? "" : JSON.stringify(value), variant: "v1" },
    ...{ reason: value === undefined ? "ERROR" : "STATIC", version: 4n },
  }));
  return { flags: [...flags, off], all: false, version: 4n, ageMs: 0, stale: false, ...rest };
}

async function openFeature(values: Record<string, unknown>) {
  const gateway = await startGateway();
  const flags = new Flags();
  const client = makeClient(gateway.url, { flags });
  const opened = client.open();
  const connection = await gateway.accept();
  await connection.welcome({ flags: frame(values) });
  await opened;
  await OpenFeature.setProviderAndWait(new TidegateProvider(flags));
  onTestFinished(() => OpenFeature.clearProviders());
  const features = OpenFeature.getClient();
  const event = (name: ProviderEvents) =>
    new Promise<readonly string[]>((resolve) => {
      const stop = new AbortController();
      const taken = (details?: { flagsChanged?: string[] }) => {
        stop.abort();
        resolve(details?.flagsChanged ?? []);
      };
      features.addHandler(name as never, taken as never, { signal: stop.signal });
    });
  return { client, connection, features, event };
}

test("answers with value, variant, reason, version and age; and says why it can not", async () => {
  const { features } = await openFeature({
    on: true,
    hue: "blue",
    max: 5,
    box: { x: 1 },
    bad: undefined,
  });
  const { flagMetadata, ...details } = features.getBooleanDetails("on", false);
  expect(details).toMatchObject({ value: true, variant: "v1", reason: "STATIC" });
  expect(flagMetadata).toMatchObject({ version: 4 });
  expect(flagMetadata.ageMs).toBeGreaterThanOrEqual(0);
  expect(features.getStringValue("hue", "")).toBe("blue");
  expect(features.getNumberValue("max", 0)).toBe(5);
  expect(features.getObjectValue("box", {})).toEqual({ x: 1 });
  expect(features.getNumberDetails("hue", 3)).toMatchObject({
    value: 3,
    errorCode: "TYPE_MISMATCH",
  });
  expect(features.getNumberDetails("no", 3)).toMatchObject({
    value: 3,
    errorCode: "FLAG_NOT_FOUND",
  });
  expect(features.getNumberDetails("bad", 3)).toMatchObject({ value: 3, errorCode: "GENERAL" });
  expect(features.getNumberDetails("off", 3)).toMatchObject({ value: 3, reason: "DISABLED" });
});

test("tells of changes, and of values that may be old", async () => {
  const { connection, features, event } = await openFeature({ on: true, max: 5 });
  const changed = event(ProviderEvents.ConfigurationChanged);
  connection.send({ $case: "flags", value: frame({ max: 6 }) });
  expect(await changed).toEqual(["max"]);
  expect(features.getNumberValue("max", 0)).toBe(6);
  const stale = event(ProviderEvents.Stale);
  connection.send({ $case: "flags", value: frame({}, { stale: true }) });
  await stale;
  expect(features.getNumberDetails("max", 0)).toMatchObject({ value: 6, reason: "STALE" });
  expect(features.providerStatus).toBe("STALE");
  const ready = event(ProviderEvents.Ready);
  connection.send({ $case: "flags", value: frame({}) });
  await ready;
  expect(features.providerStatus).toBe("READY");
});

test("an answer is a use of its variant", async () => {
  const { client, connection, features } = await openFeature({ on: true });
  features.getBooleanValue("on", false);
  features.getStringValue("on", "");
  await client.close();
  const { exposures } = await connection.take("flagExposures");
  expect(exposures).toEqual([{ key: "on", variant: "v1", count: 2 }]);
});
