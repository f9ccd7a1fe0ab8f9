/**
 * FlagService over real gRPC on the embedded bus.
 */
import { credentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { flagSetKey } from "../../../proto/flags/flag-record.ts";
import { AuditServiceClient } from "../../../proto/gen/tidegate/control/v1/audit_service.ts";
import {
  FlagServiceClient,
  type TestFlagsRequest,
} from "../../../proto/gen/tidegate/control/v1/flag_service.ts";
import { call, openControlPlane, refusal } from "../start-control-plane.ts";

let plane: Awaited<ReturnType<typeof openControlPlane>>;
let client: FlagServiceClient;

beforeAll(async () => {
  plane = await openControlPlane();
  client = new FlagServiceClient(plane.plane.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await plane.close();
});

const flag = (partial: object = {}) => ({
  ...{ state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off" },
  ...partial,
});
const define = (flags: object, rest: object = {}) => JSON.stringify({ flags, ...rest });

function given(name: string, definition: string, etag = "") {
  const output = { updateTime: undefined, version: 0n, flagVersions: [] };
  return { name, definition, etag, ...output };
}

function create(id: string, definition: string, more: object = {}) {
  onTestFinished(async () => {
    const keys = await plane.bus.keyValue("control");
    const entry = await keys.get(flagSetKey(id));
    if (entry !== null) {
      await keys.commit([{ key: flagSetKey(id), value: null, revision: entry.revision }]);
    }
  });
  const request = { flagSetId: id, flagSet: given("", definition), validateOnly: false };
  return call(client, client.createFlagSet, { ...request, requestId: "", ...more });
}

function update(id: string, definition: string, more: object = {}, etag = "") {
  const request = {
    ...{ flagSet: given(`flagSets/${id}`, definition, etag), updateMask: undefined },
    ...{ allowMissing: false, validateOnly: false, requestId: "" },
  };
  return call(client, client.updateFlagSet, { ...request, ...more });
}

const get = (id: string) => call(client, client.getFlagSet, { name: `flagSets/${id}` });

function testRequest(partial: Partial<TestFlagsRequest>): TestFlagsRequest {
  return {
    ...{ tenant: "", user: "", attributesJson: "", clientName: "", clientVersion: "" },
    ...{ clientPlatform: "", clientRegion: "", clientAttributes: {}, gateway: "", region: "" },
    ...{ keys: [], flagSet: undefined, ...partial },
  };
}

test("a set is created, read, listed, changed and deleted; each flag keeps its own version", async () => {
  const { flagSet: first } = await create("web", define({ a: flag(), b: flag() }));
  expect((await get("web")).flagSet).toEqual(first);
  const versionOf = (set: typeof first, key: string) =>
    set?.flagVersions.find((each) => each.key === key)?.version;
  expect(versionOf(first, "a")).toBe(first?.version);
  const changed = define({ a: flag(), b: flag({ defaultVariant: "on" }) });
  const { flagSet: second } = await update("web", changed);
  expect(Number(second?.version)).toBeGreaterThan(Number(first?.version));
  expect(versionOf(second, "a")).toBe(first?.version);
  expect(versionOf(second, "b")).toBe(second?.version);
  expect(second?.etag).not.toBe(first?.etag);
  const { flagSets } = await call(client, client.listFlagSets, { pageSize: 0, pageToken: "" });
  expect(flagSets).toEqual([second]);
  const removal = { name: "flagSets/web", etag: "", validateOnly: false, requestId: "" };
  await call(client, client.deleteFlagSet, removal);
  expect((await refusal(get("web"))).grpc).toBe(status.NOT_FOUND);
});

test("a change of an evaluator is a change of the flags that use it, and of no other", async () => {
  const flags = { a: flag({ targeting: { if: [{ $ref: "e" }, "on"] } }), b: flag() };
  const { flagSet: first } = await create("ev", define(flags, { $evaluators: { e: true } }));
  const { flagSet: second } = await update("ev", define(flags, { $evaluators: { e: false } }));
  expect(second?.flagVersions).toEqual([
    { key: "a", version: second?.version },
    { key: "b", version: first?.version },
  ]);
});

test("a definition with faults is refused with the path of each, and the last good one stays", async () => {
  const { flagSet } = await create("bad", define({ a: flag() }));
  const faulty = define({
    a: flag({ targeting: { if: [{ $ref: "none" }, "on"] } }),
    b: flag({ defaultVariant: "x" }),
  });
  const { grpc, code, fields } = await refusal(update("bad", faulty));
  expect([grpc, code]).toEqual([status.INVALID_ARGUMENT, "REQUEST_INVALID"]);
  expect(fields).toEqual([
    "flag_set.definition.flags.a.targeting.if[0]",
    "flag_set.definition.flags.b.defaultVariant",
  ]);
  expect((await get("bad")).flagSet).toEqual(flagSet);
});

test("stale etags, taken names, missing sets, unknown fields and ids are refused", async () => {
  await create("taken", define({ a: flag() }));
  const attempts = [
    [() => create("taken", define({ z: flag() })), status.ALREADY_EXISTS],
    [() => create("Bad_Id", define({})), status.INVALID_ARGUMENT],
    [() => update("taken", define({ z: flag() }), {}, "77777"), status.ABORTED],
    [() => update("nobody", define({})), status.NOT_FOUND],
    [() => update("taken", define({}), { updateMask: ["name"] }), status.INVALID_ARGUMENT],
    [() => create("other", define({ a: flag() })), status.INVALID_ARGUMENT],
    [() => get("a/b"), status.INVALID_ARGUMENT],
  ] as const;
  for (const [attempt, code] of attempts) expect((await refusal(attempt())).grpc).toBe(code);
  const many = (prefix: string) =>
    Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`${prefix}${i}`, flag({ metadata: { client: true } })]),
    );
  await create("many", define(many("m")));
  const { fields } = await refusal(create("more", define(many("n"))));
  expect(fields).toEqual(["flag_set.definition.flags"]);
});

test("validate_only writes nothing, a repeated request_id is done once, audit says what changed", async () => {
  await create("audit", define({ a: flag(), b: flag() }), { validateOnly: true });
  expect((await refusal(get("audit"))).grpc).toBe(status.NOT_FOUND);
  await create("audit", define({ a: flag(), b: flag() }));
  const next = define({ a: flag({ state: "DISABLED" }), b: flag() });
  const { flagSet } = await update("audit", next, { requestId: "r-1" });
  expect((await update("audit", next, { requestId: "r-1" })).flagSet).toEqual(flagSet);
  const dry = await update("audit", define({}), { validateOnly: true });
  expect(dry.impact).toEqual([]);
  expect((await get("audit")).flagSet).toEqual(flagSet);
  const audit = new AuditServiceClient(plane.plane.address, credentials.createInsecure());
  onTestFinished(() => audit.close());
  const { auditEntries } = await call(audit, audit.listAuditEntries, {
    ...{ resource: "flagSets/audit", principal: "", method: "", refusedOnly: false },
    ...{ startTime: undefined, endTime: undefined, pageSize: 0, pageToken: "" },
  });
  const updates = auditEntries.filter(({ method }) => method.endsWith("UpdateFlagSet"));
  expect(updates).toHaveLength(1);
  expect(JSON.parse(updates[0]?.after ?? "{}").flags).toMatchObject({ a: { state: "DISABLED" } });
  expect(Object.keys(JSON.parse(updates[0]?.before ?? "{}").flags)).toEqual(["a"]);
});

test("TestFlags says what a client gets and why, also of a set that is not stored", async () => {
  const targeting = {
    if: [
      { sem_ver: [{ var: "client.version" }, "<", "2.0.0"] },
      "off",
      { "==": [{ var: "plan" }, "gold"] },
      "on",
    ],
  };
  await create("test", define({ t: flag({ targeting, metadata: { client: true } }) }));
  const request = testRequest({
    ...{ user: "anna", clientVersion: "2.1.0", attributesJson: '{"plan":"gold"}', keys: ["t"] },
  });
  const { answers, contextJson } = await call(client, client.testFlags, request);
  expect(answers).toMatchObject([
    {
      ...{ key: "t", flagSet: "flagSets/test", valueJson: "true", variant: "on" },
      ...{ reason: "TARGETING_MATCH", error: "", forClients: true },
      steps: [
        expect.stringMatching(/^targeting\.if\[0\] .* is false$/),
        expect.stringMatching(/^targeting\.if\[2\] .* is true$/),
        'targeting.if[3] "on" gives it',
      ],
    },
  ]);
  expect(JSON.parse(contextJson)).toMatchObject({ targetingKey: "anna", plan: "gold" });
  const definition = define({ t: flag({ defaultVariant: "on" }) });
  const flagSet = given("flagSets/test", definition);
  const other = await call(client, client.testFlags, testRequest({ flagSet }));
  expect(other.answers).toMatchObject([{ variant: "on", reason: "STATIC", forClients: false }]);
  const refused = [testRequest({ keys: ["nope"] }), testRequest({ attributesJson: "[]" })];
  for (const each of refused) {
    const { grpc } = await refusal(call(client, client.testFlags, each));
    expect(grpc).toBe(status.INVALID_ARGUMENT);
  }
});
