/**
 * flagd.sync.v1, asked by the client that others use: OpenFeature's provider of flagd, in-process.
 */

import { credentials, Metadata, status } from "@grpc/grpc-js";
import { FlagdProvider } from "@openfeature/flagd-provider";
import { OpenFeature, ProviderEvents } from "@openfeature/server-sdk";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parseSelector } from "../../../controlplane/flags/sync-service.ts";
import {
  FlagSyncServiceClient,
  type SyncFlagsResponse,
} from "../../../proto/gen/flagd/sync/v1/sync.ts";
import { FlagServiceClient } from "../../../proto/gen/tidegate/control/v1/flag_service.ts";
import { call, openControlPlane, refusal } from "../start-control-plane.ts";

let plane: Awaited<ReturnType<typeof openControlPlane>>;
let admin: FlagServiceClient;
let sync: FlagSyncServiceClient;

beforeAll(async () => {
  plane = await openControlPlane();
  admin = new FlagServiceClient(plane.plane.address, credentials.createInsecure());
  sync = new FlagSyncServiceClient(plane.plane.address, credentials.createInsecure());
});
afterAll(async () => {
  await OpenFeature.close();
  admin.close();
  sync.close();
  await plane.close();
});

const flag = (partial: object = {}) => ({
  ...{ state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off" },
  ...partial,
});

function apply(id: string, flags: object, rest: object = {}) {
  const definition = JSON.stringify({ flags, ...rest });
  const output = { etag: "", updateTime: undefined, version: 0n, flagVersions: [] };
  return call(admin, admin.updateFlagSet, {
    ...{ flagSet: { name: `flagSets/${id}`, definition, ...output }, updateMask: undefined },
    ...{ allowMissing: true, validateOnly: false, requestId: "" },
  });
}

const staff = { ends_with: [{ var: "user" }, "@example.com"] };
/** Both sets have an evaluator of one name, and one that uses it and comes first. */
const rules = (rule: object) => ({ inner: { $ref: "staff" }, staff: rule });

test("a flagd provider evaluates all sets as we do, and hears of changes", async () => {
  const targeting = { if: [{ $ref: "inner" }, "on"] };
  await apply("web", { web: flag({ targeting }) }, { $evaluators: rules(staff) });
  await apply("app", { app: flag({ targeting }) }, { $evaluators: rules({ "!": staff }) });
  const port = plane.plane.port;
  const provider = new FlagdProvider({ resolverType: "in-process", host: "127.0.0.1", port });
  await OpenFeature.setProviderAndWait("sync", provider);
  const client = OpenFeature.getClient("sync");
  const value = (key: string, user: string) =>
    client.getBooleanDetails(key, false, { targetingKey: user, user });
  const anna = "anna@example.com";
  expect(await value("web", anna)).toMatchObject({
    ...{ value: true, variant: "on", reason: "TARGETING_MATCH" },
    flagMetadata: { flagSetId: "web", version: expect.any(Number) },
  });
  expect((await value("app", anna)).value).toBe(false);
  expect((await value("app", "ben")).value).toBe(true);
  const changed = new Promise<readonly string[]>((resolve) => {
    client.addHandler(ProviderEvents.ConfigurationChanged, (details) =>
      resolve(details?.flagsChanged ?? []),
    );
  });
  await apply(
    "web",
    { web: flag({ targeting, defaultVariant: "on" }) },
    { $evaluators: rules(staff) },
  );
  expect(await changed).toContain("web");
  expect((await value("web", "ben")).value).toBe(true);
});

test("a stream has one set when it asks for it, by header or field, also one that comes later", async () => {
  await apply("one", { one: flag() });
  const keysOf = ({ flagConfiguration }: SyncFlagsResponse) =>
    Object.keys(JSON.parse(flagConfiguration).flags);
  const ask = (header: string, selector: string) => {
    const metadata = new Metadata();
    if (header !== "") metadata.set("flagd-selector", header);
    const stream = sync.syncFlags({ providerId: "t", selector }, metadata);
    stream.on("error", () => {}); // it is cancelled below
    onTestFinished(() => stream.cancel());
    return stream[Symbol.asyncIterator]() as AsyncIterator<SyncFlagsResponse>;
  };
  const next = async (answers: AsyncIterator<SyncFlagsResponse>) =>
    keysOf((await answers.next()).value);
  expect(await next(ask("", "flagSetId=one"))).toEqual(["one"]);
  expect(await next(ask("one", "flagSetId=web"))).toEqual(["one"]);
  const later = ask("later", "");
  expect(await next(later)).toEqual([]);
  await apply("one", { one: flag({ state: "DISABLED" }) }); // of no concern to it
  await apply("later", { later: flag() });
  expect(await next(later)).toEqual(["later"]);
});

test("FetchAllFlags and GetMetadata answer once; a selector that names no set is refused", async () => {
  await apply("fetch", { fetched: flag() });
  const { flagConfiguration } = await call(sync, sync.fetchAllFlags, {
    ...{ providerId: "", selector: "flagSets/fetch" },
  });
  expect(Object.keys(JSON.parse(flagConfiguration).flags)).toEqual(["fetched"]);
  expect((await call(sync, sync.getMetadata, {})).metadata).toEqual({});
  const bad = call(sync, sync.fetchAllFlags, { providerId: "", selector: "source=a,b" });
  expect((await refusal(bad)).grpc).toBe(status.INVALID_ARGUMENT);
  expect(parseSelector("")).toBeNull();
});
