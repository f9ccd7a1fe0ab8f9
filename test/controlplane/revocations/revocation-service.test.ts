/**
 * RevocationService over real gRPC on the embedded bus.
 */
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  decideRevocation,
  REVOCATION_COUNT_MAX,
} from "../../../controlplane/revocations/decide-revocation.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { Revocation } from "../../../proto/gen/tidegate/control/v1/revocation.ts";
import { RevocationServiceClient } from "../../../proto/gen/tidegate/control/v1/revocation_service.ts";
import { readRevocation, revocationKey } from "../../../proto/revocation.ts";
import { call, openControlPlane, refusal } from "../start-control-plane.ts";

let plane: Awaited<ReturnType<typeof openControlPlane>>;
let client: RevocationServiceClient;
let tenantCount = 0;

beforeAll(async () => {
  plane = await openControlPlane();
  client = new RevocationServiceClient(plane.plane.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await plane.close();
});

/** Each test has a tenant of its own. */
function newTenant(): string {
  tenantCount += 1;
  return `tenants/r${tenantCount}`;
}

const empty = Revocation.decode(new Uint8Array(0));

function create(parent: string, fields: Partial<Revocation>, more = {}) {
  return call(client, client.createRevocation, {
    ...{ parent, revocationId: "", revocation: { ...empty, ...fields } },
    ...{ validateOnly: false, requestId: "", ...more },
  });
}

const get = (name: string) => call(client, client.getRevocation, { name });

const remove = (name: string, more = {}) =>
  call(client, client.deleteRevocation, {
    ...{ name, etag: "", validateOnly: false, requestId: "", ...more },
  });

async function list(parent: string, pageSize = 0) {
  const names: string[] = [];
  let pageToken = "";
  do {
    const page = await call(client, client.listRevocations, { parent, pageSize, pageToken });
    names.push(...page.revocations.map(({ name }) => name.slice(name.lastIndexOf("/") + 1)));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return names;
}

test("create, get, list and delete; what is not said has its default", async () => {
  const parent = newTenant();
  const beforeMs = Date.now();
  const { revocation: byUser } = await create(parent, { user: "anna", reason: "stolen phone" });
  const issuedMs = byUser?.issuedBefore?.getTime() ?? 0;
  expect([issuedMs % 1000, issuedMs > beforeMs, issuedMs <= Date.now() + 1000]).toEqual([
    ...[0, true, true],
  ]);
  const days = ((byUser?.expireTime?.getTime() ?? 0) - beforeMs) / 86_400_000;
  expect(Math.round(days * 100) / 100).toBe(30);
  expect(await get(byUser?.name ?? "")).toEqual({ revocation: byUser });
  const { revocation: byId } = await create(parent, { tokenId: "t" }, { revocationId: "stolen" });
  expect([byId?.name, byId?.issuedBefore]).toEqual([`${parent}/revocations/stolen`, undefined]);
  const again = refusal(create(parent, { tokenId: "t" }, { revocationId: "stolen" }));
  expect((await again).code).toBe("ALREADY_EXISTS");
  expect(await list(parent, 1)).toHaveLength(2);
  expect((await refusal(remove(byId?.name ?? "", { etag: "9" }))).code).toBe("ETAG_MISMATCH");
  await remove(byId?.name ?? "", { etag: byId?.etag });
  expect((await refusal(get(byId?.name ?? ""))).code).toBe("NOT_FOUND");
  expect((await refusal(remove(byId?.name ?? ""))).code).toBe("NOT_FOUND");
});

test("the record ends by its own time, in the store too", async () => {
  const parent = newTenant();
  const expireTime = new Date(Date.now() + 1500);
  await create(parent, { tokenId: "t", expireTime }, { revocationId: "short" });
  await create(parent, { tokenId: "t" }, { revocationId: "long" });
  expect(await list(parent)).toEqual(["long", "short"]);
  const keys = await plane.bus.keyValue(CONTROL_BUCKET);
  const key = revocationKey(parent.slice(8), "short");
  expect(readRevocation((await keys.get(key))?.value ?? new Uint8Array(0))?.endMs).toBe(
    expireTime.getTime(),
  );
  await expect.poll(() => list(parent), { timeout: 5000 }).toEqual(["long"]);
  await expect.poll(() => keys.get(key), { timeout: 5000 }).toBeNull();
});

test("a request told again is done once, and validate_only does nothing", async () => {
  const parent = newTenant();
  const dry = await create(parent, { user: "anna" }, { validateOnly: true });
  expect(dry.revocation?.user).toBe("anna");
  expect(await list(parent)).toEqual([]);
  const first = await create(parent, { user: "anna" }, { requestId: "once" });
  const second = await create(parent, { user: "anna" }, { requestId: "once" });
  expect(second.revocation).toEqual(first.revocation);
  expect(await list(parent)).toHaveLength(1);
});

test.each<[string, Partial<Revocation>, object, string]>([
  ["nothing", { reason: "x" }, {}, "revocation.token_id"],
  ["a long token id", { tokenId: "x".repeat(129) }, {}, "revocation.token_id"],
  ["a long user", { user: "é".repeat(65) }, {}, "revocation.user"],
  ["a long reason", { user: "a", reason: "x".repeat(257) }, {}, "revocation.reason"],
  ["a reason of two lines", { user: "a", reason: "a\nb" }, {}, "revocation.reason"],
  ["an end in the past", { user: "a", expireTime: new Date(1000) }, {}, "revocation.expire_time"],
  [
    "an end in two years",
    { user: "a", expireTime: new Date(Date.now() + 6.4e10) },
    {},
    "expire_time",
  ],
  ["a time in two years", { issuedBefore: new Date(Date.now() + 6.4e10) }, {}, "issued_before"],
  ["a name of another", { user: "a", name: "tenants/x/revocations/y" }, {}, "revocation.name"],
  ["a bad id", { user: "a" }, { revocationId: "A.b" }, "revocation_id"],
])("create refuses %s, naming the field", async (_name, fields, more, field) => {
  const error = await refusal(create(newTenant(), fields, more));
  expect(error.code).toBe("REQUEST_INVALID");
  expect(error.message).toContain(field);
});

test("decideRevocation: a tenant has a bounded number", () => {
  const which = { tenant: "a", id: "b" };
  const stored = { value: null, revision: 0 };
  const given = { ...empty, user: "anna" };
  const decide = (count: number) => decideRevocation(which, stored, given, count, 1e12);
  expect(decide(REVOCATION_COUNT_MAX - 1).kind).toBe("write");
  expect(() => decide(REVOCATION_COUNT_MAX)).toThrow("[REVOCATION_LIMIT]");
});
