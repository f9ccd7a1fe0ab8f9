/**
 * Revocations at gateways: whom a rule is for, and what it does to connections that are open, to
 * Hello and to Refresh, on two gateways at once.
 */
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { Revocations } from "../../../gateway/auth/revocations.ts";
import { startGateway } from "../../../gateway/gateway.ts";
import { Action, type Identity, makeIdentity } from "../../../gateway/identity.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { Revocation } from "../../../proto/gen/tidegate/control/v1/revocation.ts";
import { isRevokedBy, readRevocation, revocationKey } from "../../../proto/revocation.ts";
import { RawClient } from "../raw-client.ts";
import { testGateway } from "../start-gateway.ts";

const grants = [{ rooms: "*", actions: Action.JOIN | Action.PUBLISH }];
const authenticate = (token: string): Identity =>
  makeIdentity({ tenant: "default", user: "anna", grants, ...JSON.parse(token || "{}") });
const tokenOf = (said: object) => JSON.stringify(said);
const inAnHour = () => new Date(Date.now() + 3_600_000);

function record(fields: Partial<Revocation>): Uint8Array {
  const empty = Revocation.decode(new Uint8Array(0));
  return Revocation.encode({ ...empty, expireTime: inAnHour(), ...fields }).finish();
}

/** Two gateways on one bus, and a way to revoke as the control plane does. */
async function twoGateways() {
  const first = await testGateway({ parts: { authenticate } });
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const second = await startGateway(
    { bus: first.bus, log, authenticate, version: "0.0.0", gatewayId: "second" },
    { port: 0 },
  );
  const clients: RawClient[] = [];
  onTestFinished(async () => {
    for (const client of clients) client.socket.terminate();
    await second.close();
  });
  const keys = await first.bus.keyValue(CONTROL_BUCKET);
  return {
    first,
    /** One client on each, with the same token. */
    async both(said: object) {
      const hello = { token: tokenOf(said) };
      const pair = [await first.client(hello), await RawClient.open(second.port, hello)] as const;
      clients.push(...pair);
      return pair;
    },
    /** The reason of the close that a Hello gets on the second gateway; "welcome" for none. */
    async hello(said: object) {
      const client = new RawClient(second.port);
      clients.push(client);
      await client.opened();
      client.hello({ token: tokenOf(said) });
      await client.nextCount(1, () => true);
      return client.frames[0]?.$case === "welcome" ? "welcome" : (await client.closed).reason;
    },
    revoke: (id: string, fields: Partial<Revocation>, tenant = "default") =>
      keys.create(revocationKey(tenant, id), record(fields)),
    unrevoke: (id: string) => keys.delete(revocationKey("default", id)),
  };
}

const settled = async (...clients: RawClient[]) => {
  for (const client of clients) await client.settle();
};

test("by token id: both gateways tell and close that token alone, and let it in no more", async () => {
  const { both, revoke, hello, unrevoke } = await twoGateways();
  const revoked = await both({ tokenId: "t-1" });
  const others = [...(await both({ tokenId: "t-2" })), ...(await both({}))];
  await revoke("r", { tokenId: "t-1" });
  for (const client of revoked) {
    const { revoked: isRevoked, expiresInMs } = await client.next("tokenExpiring");
    expect([isRevoked, expiresInMs > 0 && expiresInMs < 1000]).toEqual([true, true]);
    expect(await client.closed).toEqual({ code: 4506, reason: "TOKEN_REVOKED" });
    expect(client.frames.map(({ $case }) => $case)).toEqual(["welcome", "tokenExpiring", "error"]);
  }
  await settled(...others);
  expect(others.flatMap(({ frames }) => frames.map(({ $case }) => $case))).not.toContain(
    "tokenExpiring",
  );
  expect([await hello({ tokenId: "t-1" }), await hello({ tokenId: "t-2" })]).toEqual([
    ...["TOKEN_REVOKED", "welcome"],
  ]);
  await unrevoke("r");
  await expect.poll(() => hello({ tokenId: "t-1" })).toBe("welcome");
});

test("a Refresh after the hint, with a token that is not revoked, keeps the connection", async () => {
  const { both, revoke } = await twoGateways();
  const [stays, goes] = await both({ issuedAtS: 1000 });
  await revoke("r", { user: "anna", issuedBefore: new Date(2_000_000) });
  await stays.next("tokenExpiring");
  const refresh = (client: RawClient, said: object) => {
    const requestId = client.nextId();
    client.send({ $case: "refresh", value: { requestId, token: tokenOf(said) } });
    return requestId;
  };
  const again = refresh(stays, { issuedAtS: 1500 });
  expect((await stays.error(again)).code).toBe("TOKEN_REVOKED"); // also one of those
  const fresh = refresh(stays, { issuedAtS: 2000 });
  await stays.next("refreshed", (value) => value.requestId === fresh);
  expect((await goes.closed).reason).toBe("TOKEN_REVOKED");
  await stays.join("live:a");
});

test("by user, by time and of another tenant: those are closed that it says", async () => {
  const { both, revoke, hello } = await twoGateways();
  const [bob] = await both({ user: "bob", issuedAtS: 5000 });
  const [late] = await both({ user: "carl", issuedAtS: 9000 });
  const [acme] = await both({ tenant: "acme", user: "bob", issuedAtS: 5000 });
  await revoke("other", { user: "bob", issuedBefore: new Date(1e7) }, "umbrella");
  await revoke("time", { issuedBefore: new Date(8_000_000) });
  expect((await bob.closed).reason).toBe("TOKEN_REVOKED");
  await settled(late, acme);
  expect(await hello({ user: "dora", issuedAtS: 7999 })).toBe("TOKEN_REVOKED");
  expect(await hello({ user: "dora" })).toBe("TOKEN_REVOKED"); // does not say when it was issued
  expect(await hello({ user: "dora", issuedAtS: 8000 })).toBe("welcome");
});

test("a hundred at once are one round, and a record that says nothing is refused", async () => {
  const { first, both, revoke, hello } = await twoGateways();
  const pairs = [await both({ tokenId: "t-0" }), await both({ tokenId: "t-99" })];
  const ids = Array.from({ length: 100 }, (_, i) => `t-${i}`);
  await Promise.all(ids.map((id) => revoke(id, { tokenId: id })));
  for (const client of pairs.flat()) expect((await client.closed).reason).toBe("TOKEN_REVOKED");
  await revoke("empty", {});
  await expect
    .poll(() => first.logged.join())
    .toContain("a record of the configuration is refused");
  expect(await hello({ tokenId: "another" })).toBe("welcome");
});

test("Revocations: finds what a search through all rules finds, whatever comes and goes", () => {
  let apply = (_key: string, _value: Uint8Array | null): string | null => null;
  const word = fc.constantFrom("", "a", "b");
  const time = fc.constantFrom(0, 10, 20);
  const fields = fc.record({ tokenId: word, user: word, issuedBeforeS: time, endS: time });
  const step = fc.record({
    tenant: fc.constantFrom("x", "y"),
    id: fc.constantFrom("1", "2", "3", "4"),
    fields: fc.option(fields),
  });
  const token = fc.record({
    tenant: fc.constantFrom("x", "y"),
    tokenId: word,
    user: word,
    issuedAtS: time,
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.array(token), (steps, tokens) => {
      const follow = (_prefix: string, given: typeof apply) => {
        apply = given;
      };
      const revocations = new Revocations({ follow });
      const rules = new Map<string, Uint8Array>();
      for (const { tenant, id, fields: given } of steps) {
        const key = revocationKey(tenant, id);
        if (given === null) {
          apply(key, null);
          rules.delete(key);
          continue;
        }
        const { tokenId, user, issuedBeforeS, endS } = given;
        const issuedBefore = issuedBeforeS === 0 ? undefined : new Date(issuedBeforeS * 1000);
        const value = record({ tokenId, user, issuedBefore, expireTime: new Date(endS * 1000) });
        if (apply(key, value) === null) rules.set(key, value);
      }
      expect(revocations.count).toBe(rules.size);
      for (const each of tokens) {
        const isFor = [...rules].some(([key, value]) => {
          const rule = readRevocation(value);
          return key.includes(`.${each.tenant}.`) && rule && isRevokedBy(rule, each, 15_000);
        });
        expect(revocations.isRevoked(each, 15_000)).toBe(isFor);
      }
    }),
    { numRuns: 500, seed: 20_261_122 },
  );
});
