/**
 * Tokens on open connections: the hint before they end, the close after, and Refresh in between;
 * and what rooms a new token ends.
 */
import { expect, test } from "vitest";
import { DeadlineWheel, WHEEL_AHEAD_S } from "../../../gateway/auth/deadline-wheel.ts";
import {
  decideTokenStep,
  expiresInMs,
  HINT_BEFORE_S,
  HINT_SPREAD_S,
} from "../../../gateway/auth/token-deadline.ts";
import { Action, type Identity, makeIdentity } from "../../../gateway/identity.ts";
import { CodedError } from "../../../proto/coded-error.ts";
import { JWT_CLOCK_TOLERANCE_S } from "../../../proto/jwt-key.ts";
import type { RawClient } from "../raw-client.ts";
import { testGateway } from "../start-gateway.ts";

const all = [{ rooms: "*", actions: Action.JOIN | Action.PUBLISH | Action.HISTORY }];
const startS = 2_000_000_000;

/** A gateway whose clock is turned by hand, and tokens that are identities in JSON. */
async function clockGateway() {
  const clock = { nowS: startS, nowUs: () => clock.nowS * 1e6 };
  const authenticate = (token: string): Identity => {
    const said = JSON.parse(token || '{"refused":true}') as Partial<Identity> & { refused?: true };
    if (said.refused) throw new CodedError("TOKEN_INVALID", "refused");
    return makeIdentity({ tenant: "default", user: "anna", grants: all, ...said });
  };
  const gateway = await testGateway({ parts: { clock, authenticate } });
  return { gateway, clock };
}

const tokenOf = (said: object) => JSON.stringify(said);

function refresh(client: RawClient, said: object): number {
  const requestId = client.nextId();
  client.send({ $case: "refresh", value: { requestId, token: tokenOf(said) } });
  return requestId;
}

const refreshed = (client: RawClient, requestId: number) =>
  client.next("refreshed", (value) => value.requestId === requestId);

test("a token that ends: Welcome says when, a hint comes before, TOKEN_EXPIRED after", async () => {
  const { gateway, clock } = await clockGateway();
  const ending = await gateway.client({ token: tokenOf({ expiresAtS: startS + 600 }) });
  const other = await gateway.client({ token: tokenOf({ expiresAtS: startS + 7200 }) });
  const endless = await gateway.client({ token: tokenOf({}) });
  const said = [ending, other, endless].map(({ welcome }) => welcome?.tokenExpiresInMs);
  expect(said).toEqual([600_000, 7_200_000, 0]);
  clock.nowS = startS + 600 - HINT_BEFORE_S;
  expect(await ending.next("tokenExpiring")).toEqual({
    ...{ expiresInMs: HINT_BEFORE_S * 1000, revoked: false },
  });
  clock.nowS = startS + 600 + JWT_CLOCK_TOLERANCE_S + 2;
  expect(await ending.closed).toEqual({ code: 4007, reason: "TOKEN_EXPIRED" });
  expect(ending.frames.filter(({ $case }) => $case === "tokenExpiring")).toHaveLength(1);
  expect((await ending.next("error")).code).toBe("TOKEN_EXPIRED");
  for (const client of [other, endless]) {
    await client.settle();
    expect(client.frames.map(({ $case }) => $case)).toEqual(["welcome", "pong"]);
  }
});

test("Refresh: the connection stays past the end of its first token", async () => {
  const { gateway, clock } = await clockGateway();
  const client = await gateway.client({ token: tokenOf({ expiresAtS: startS + 600 }) });
  const witness = await gateway.client({ token: tokenOf({ expiresAtS: startS + 600 }) });
  const { roomAlias: alias } = await client.join("chat:a");
  const id = refresh(client, { expiresAtS: startS + 7200 });
  expect((await refreshed(client, id)).tokenExpiresInMs).toBe(7_200_000);
  clock.nowS = startS + 600 + JWT_CLOCK_TOLERANCE_S + 2;
  expect((await witness.closed).reason).toBe("TOKEN_EXPIRED");
  const publish = client.publish({ alias, seq: 1, payload: "x", firstSentUs: clock.nowUs() });
  await client.ack(publish);
  const forever = refresh(client, {});
  expect((await refreshed(client, forever)).tokenExpiresInMs).toBe(0);
});

test("Refresh to a token that ends sooner, or ends at all, counts from then on", async () => {
  const { gateway, clock } = await clockGateway();
  const clients = [
    await gateway.client({ token: tokenOf({}) }),
    await gateway.client({ token: tokenOf({ expiresAtS: startS + 3000 }) }),
  ];
  for (const client of clients) {
    await refreshed(client, refresh(client, { expiresAtS: startS + 300 }));
  }
  clock.nowS = startS + 300 + JWT_CLOCK_TOLERANCE_S + 2;
  for (const client of clients) expect((await client.closed).reason).toBe("TOKEN_EXPIRED");
});

test("a token that ends in hours is told of in time, not when it is looked at first", async () => {
  const { gateway, clock } = await clockGateway();
  const endS = startS + 3 * WHEEL_AHEAD_S;
  const client = await gateway.client({ token: tokenOf({ expiresAtS: endS }) });
  for (const passedS of [WHEEL_AHEAD_S + 4, 2 * WHEEL_AHEAD_S + 8]) {
    clock.nowS = startS + passedS - 300;
    const witness = await gateway.client({ token: tokenOf({ expiresAtS: clock.nowS + 60 }) });
    clock.nowS = startS + passedS;
    await witness.closed;
    await client.settle();
    expect(client.frames.filter(({ $case }) => $case === "tokenExpiring")).toEqual([]);
  }
  clock.nowS = endS - HINT_BEFORE_S;
  await client.next("tokenExpiring");
});

test("a connection that is gone is not kept until its token ends", async () => {
  const { gateway } = await clockGateway();
  const client = await gateway.client({ token: tokenOf({ expiresAtS: startS + 3000 }) });
  await gateway.client({ token: tokenOf({}) });
  expect(gateway.gateway.stats().endingTokenCount).toBe(1);
  await client.close();
  await expect.poll(() => gateway.gateway.stats().endingTokenCount).toBe(0);
});

test("Refresh with less: rooms that the new token does not allow end, publishing too", async () => {
  const { gateway } = await clockGateway();
  const client = await gateway.client({ token: tokenOf({}) });
  const [kept, lost] = [await client.join("chat:a"), await client.join("live:b")];
  const grants = [{ rooms: "chat:*", actions: Action.JOIN }];
  await refreshed(client, refresh(client, { grants }));
  const left = await client.next("left");
  expect(left).toEqual({ requestId: 0, roomAlias: lost.roomAlias, code: "PERMISSION_DENIED" });
  const { policy } = await client.next("roomPolicyChanged", (v) => v.roomAlias === kept.roomAlias);
  expect([policy?.mayPublish, policy?.mayReadHistory]).toEqual([false, false]);
  const publish = client.publish({ alias: kept.roomAlias, seq: 1, payload: "x" });
  expect((await client.error(publish)).code).toBe("PERMISSION_DENIED");
  const again = client.sendJoin([{ room: "live:b", after: undefined, history: 0 }]);
  expect((await client.error(again)).code).toBe("PERMISSION_DENIED");
  expect(client.frames.findIndex((f) => f.$case === "refreshed")).toBeLessThan(
    client.frames.findIndex((f) => f.$case === "left"),
  );
});

test("Refresh ends a join that is under way, and that join says why", async () => {
  const { gateway } = await clockGateway();
  const client = await gateway.client({ token: tokenOf({}) });
  const id = client.sendJoin([{ room: "chat:slow", after: undefined, history: 50 }]);
  // Both frames are read in one turn of the gateway; the join waits for the bus.
  await refreshed(client, refresh(client, { grants: [] }));
  await client.settle();
  const isDenied = (f: (typeof client.frames)[number]) =>
    (f.$case === "error" && f.value.requestId === id && f.value.code === "PERMISSION_DENIED") ||
    (f.$case === "left" && f.value.code === "PERMISSION_DENIED");
  await client.nextCount(0, isDenied);
  expect(client.frames.filter(isDenied)).toHaveLength(1);
});

test.each([
  ["of another user", { user: "bob" }, "TOKEN_INVALID"],
  ["of another tenant", { tenant: "acme" }, "TOKEN_INVALID"],
  ["that is refused", { refused: true }, "TOKEN_INVALID"],
  ["that is huge", { attributes: { x: "x".repeat(9000) } }, "TOKEN_INVALID"],
])("Refresh with a token %s: an error, and the old one stays", async (_name, said, code) => {
  const { gateway } = await clockGateway();
  const client = await gateway.client({ token: tokenOf({ expiresAtS: startS + 600 }) });
  const error = await client.error(refresh(client, said));
  expect(error.code).toBe(code);
  expect((await client.join("chat:a")).room).toBe("chat:a");
});

test("many at once: one Refresh is looked at, the others are told to wait", async () => {
  let answer = (_identity: Identity): void => {};
  const slow = new Promise<Identity>((resolve) => {
    answer = resolve;
  });
  const me = makeIdentity({ tenant: "default", user: "anna", grants: all });
  const authenticate = (token: string) => (token === "slow" ? slow : me);
  const gateway = await testGateway({ parts: { authenticate } });
  const client = await gateway.client();
  const send = (token: string) => {
    const requestId = client.nextId();
    client.send({ $case: "refresh", value: { requestId, token } });
    return requestId;
  };
  const first = send("slow");
  const others = Array.from({ length: 20 }, () => send("quick"));
  for (const id of others) expect((await client.error(id)).code).toBe("IN_FLIGHT_LIMIT");
  answer(me);
  await refreshed(client, first);
  await refreshed(client, send("quick"));
});

test("a connection that closes while its Refresh is looked at leaves nothing behind", async () => {
  const { gateway, clock } = await clockGateway();
  const client = await gateway.client({ token: tokenOf({ expiresAtS: startS + 5 }) });
  refresh(client, { expiresAtS: startS + 10 });
  client.socket.terminate();
  await client.closed;
  clock.nowS = startS + 10_000;
  const witness = await gateway.client({ token: tokenOf({ expiresAtS: startS + 9000 }) });
  expect((await witness.closed).reason).toBe("TOKEN_EXPIRED");
  expect(gateway.logged).toEqual([]);
});

test("decideTokenStep: each connection is told in time, at a place of its own", () => {
  const steps = Array.from({ length: 60 }, (_, number) => decideTokenStep(1000, number, 0));
  const times = steps.map((step) => (step.is === "wait" ? step.untilS : Number.NaN));
  expect(Math.max(...times)).toBe(1000 - HINT_BEFORE_S);
  expect(new Set(times).size).toBe(HINT_SPREAD_S);
  expect(decideTokenStep(1000, 7, 999)).toEqual({ is: "tell", untilS: 1060 });
  expect(decideTokenStep(1000, 7, 1059.9).is).toBe("tell");
  expect(decideTokenStep(1000, 7, 1060).is).toBe("close");
  expect([expiresInMs(0, 5), expiresInMs(10, 5), expiresInMs(5, 10)]).toEqual([0, 5000, 1]);
  expect(expiresInMs(1e12, 0)).toBe(0xffff_ffff);
});

test("DeadlineWheel: takes what is due, in parts, nothing twice, and forgets what is gone", () => {
  const wheel = new DeadlineWheel<{ dueS: number; atS: number }>();
  const items = Array.from({ length: 100 }, (_, i) => ({ dueS: 0, atS: 1000 + i }));
  for (const item of items) wheel.put(item, item.atS, 1000);
  for (const item of items.slice(0, 10)) wheel.remove(item);
  wheel.remove({ dueS: 0, atS: 0 });
  const taken: number[] = [];
  for (let nowS = 1000; nowS <= 1110; nowS += 1) {
    for (;;) {
      const some = wheel.take(nowS, 3);
      expect(some.every(({ atS, dueS }) => atS <= nowS && nowS <= atS + 2 && dueS === 0)).toBe(
        true,
      );
      taken.push(...some.map(({ atS }) => atS));
      if (some.length < 3) break;
    }
  }
  expect(taken.toSorted((a, b) => a - b)).toEqual(items.slice(10).map(({ atS }) => atS));
  expect(wheel.count).toBe(0);
  const far = { dueS: 0, atS: 1e9 };
  wheel.put(far, far.atS, 1000);
  wheel.put(far, far.atS, 1001);
  expect(wheel.count).toBe(1);
  expect(wheel.take(1001 + WHEEL_AHEAD_S + 2, 5)).toEqual([far]);
});
