/**
 * LimitService over real gRPC on the embedded bus.
 */
import { credentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { encodePermits } from "../../bus/seats/permit-pool.ts";
import { poolKey, SEAT_BUCKET } from "../../bus/seats/seat-keys.ts";
import { type Limit, OutagePolicy } from "../../proto/gen/tidegate/control/v1/limit.ts";
import { LimitServiceClient } from "../../proto/gen/tidegate/control/v1/limit_service.ts";
import { LIMIT_NAMES } from "../../proto/limits.ts";
import { call, openControlPlane, refusal } from "./start-control-plane.ts";

let plane: Awaited<ReturnType<typeof openControlPlane>>;
let client: LimitServiceClient;
let tenantCount = 0;

beforeAll(async () => {
  plane = await openControlPlane();
  client = new LimitServiceClient(plane.plane.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await plane.close();
});

/** Each test has a tenant of its own. */
function newTenant(): string {
  tenantCount += 1;
  return `tenants/l${tenantCount}`;
}

interface More {
  readonly mask?: string[];
  readonly validateOnly?: boolean;
  readonly requestId?: string;
  readonly allowBelowUse?: boolean;
}

function update(name: string, fields: Partial<Limit>, more: More = {}) {
  const empty = { value: 0n, outagePolicy: 0, etag: "", updateTime: undefined, used: 0n } as const;
  const { mask, validateOnly = false, requestId = "", allowBelowUse = false } = more;
  const limit = { ...empty, name, ...fields };
  const request = { limit, updateMask: mask, validateOnly, requestId, allowBelowUse };
  return call(client, client.updateLimit, request);
}

const get = (name: string) => call(client, client.getLimit, { name });

test("limits: all are there with their default, and one that is set is shown as such", async () => {
  const parent = newTenant();
  const { limits } = await call(client, client.listLimits, { parent, pageSize: 0, pageToken: "" });
  expect(limits.map(({ name, value, etag }) => [name, value, etag])).toEqual(
    LIMIT_NAMES.map((limit) => [`${parent}/limits/${limit}`, 0n, "0"]),
  );
  const name = `${parent}/limits/connections-per-user`;
  const { limit } = await update(name, { value: 5n, outagePolicy: OutagePolicy.FAIL_OPEN });
  expect(limit).toMatchObject({ name, value: 5n, outagePolicy: OutagePolicy.FAIL_OPEN, used: 0n });
  expect((await get(name)).limit).toEqual(limit);
  const first = await call(client, client.listLimits, { parent, pageSize: 3, pageToken: "" });
  const pageToken = first.nextPageToken;
  const rest = await call(client, client.listLimits, { parent, pageSize: 3, pageToken });
  expect([...first.limits, ...rest.limits].map((each) => each.value)).toEqual([
    ...[0n, 0n, 0n, 5n, 0n, 0n],
  ]);
});

test("UpdateLimit: stale etags, unknown limits, values and masks are refused, changing nothing", async () => {
  const name = `${newTenant()}/limits/connections`;
  const { limit } = await update(name, { value: 7n });
  const refusals = [
    [() => update(name, { value: 8n, etag: "99" }), status.ABORTED],
    [() => update(name, { value: 1_000_000_001n }), status.INVALID_ARGUMENT],
    [() => update(name, { outagePolicy: 9 as never }), status.INVALID_ARGUMENT],
    [() => update(name.replace("connections", "frame-bytes"), { value: 1023n }), 3],
    [() => update(name.replace("connections", "frame-bytes"), { value: 1_048_577n }), 3],
    [() => update(name, { value: 8n }, { mask: ["colour"] }), status.INVALID_ARGUMENT],
    [() => update("tenants/x/limits", { value: 8n }), status.INVALID_ARGUMENT],
    [() => update(name.replace("connections", "cows"), { value: 8n }), status.NOT_FOUND],
    [() => update(name.replace("connections", "connections-per-ip"), { value: 4097n }), 3],
    [() => get("limits/connections"), status.INVALID_ARGUMENT],
  ] as const;
  for (const [attempt, code] of refusals) expect((await refusal(attempt())).grpc).toBe(code);
  expect((await get(name)).limit).toEqual(limit);
  const bad = await refusal(update(name, { value: 1_000_000_001n }));
  expect(bad.fields).toEqual(["limit.value"]);
});

test("UpdateLimit: dry runs change nothing, a repeated request is done once", async () => {
  const name = `${newTenant()}/limits/rooms`;
  const dry = await update(name, { value: 3n }, { validateOnly: true });
  expect(dry.limit).toMatchObject({ value: 3n, etag: "0" });
  expect((await get(name)).limit?.value).toBe(0n);
  const requestId = crypto.randomUUID();
  const { limit } = await update(name, { value: 3n }, { requestId });
  await update(name, { value: 4n });
  expect((await update(name, { value: 3n }, { requestId })).limit?.etag).toBe(limit?.etag);
  expect((await get(name)).limit?.value).toBe(4n);
});

test("UpdateLimit: below what is in use is refused, unless it is meant", async () => {
  const parent = newTenant();
  const name = `${parent}/limits/connections`;
  await update(name, { value: 100n });
  const seats = await plane.bus.keyValue(SEAT_BUCKET);
  const owner = { id: "gw", incarnation: "one" };
  const pool = encodePermits(new Map([["one", { owner, count: 60 }]]));
  await seats.create(poolKey(parent.slice("tenants/".length), "connections"), pool);
  onTestFinished(() => seats.delete(poolKey(parent.slice("tenants/".length), "connections")));
  expect((await get(name)).limit?.used).toBe(60n);
  const refused = await refusal(update(name, { value: 59n }));
  expect(refused.grpc).toBe(status.FAILED_PRECONDITION);
  expect(refused.code).toBe("LIMIT_BELOW_USE");
  expect((await update(name, { value: 60n })).limit?.value).toBe(60n);
  expect((await update(name, { value: 59n }, { allowBelowUse: true })).limit?.value).toBe(59n);
});

test("DeleteLimit: goes back to none; nothing happens when it is not set", async () => {
  const name = `${newTenant()}/limits/connections-per-ip`;
  await update(name, { value: 9n });
  const request = { name, etag: "", validateOnly: true, requestId: "" };
  await call(client, client.deleteLimit, request);
  expect((await get(name)).limit?.value).toBe(9n);
  await call(client, client.deleteLimit, { ...request, validateOnly: false });
  await call(client, client.deleteLimit, { ...request, validateOnly: false });
  expect((await get(name)).limit).toMatchObject({ value: 0n, etag: "0" });
});
