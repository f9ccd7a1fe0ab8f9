/**
 * Keys and tokens that are withdrawn while connections are open: told, closed a minute later unless
 * another token was shown, and let alone when they come back.
 */
import { expect, test } from "vitest";
import { WITHDRAWN_COUNT_MAX, Withdrawals } from "../../../gateway/auth/anchors.ts";
import { HINT_SPREAD_S } from "../../../gateway/auth/token-deadline.ts";
import { Action, type Identity, makeIdentity } from "../../../gateway/identity.ts";
import { JWT_CLOCK_TOLERANCE_S } from "../../../proto/jwt-key.ts";
import type { RawClient } from "../raw-client.ts";
import { testGateway } from "../start-gateway.ts";

const grants = [{ rooms: "*", actions: Action.JOIN }];
const startS = 2_000_000_000;
const tokenOf = (said: object) => JSON.stringify(said);

/** Anchors that a test changes. */
class TestAnchors {
  readonly present: Set<string>;
  #listener = () => {};

  constructor(...present: string[]) {
    this.present = new Set(present);
  }

  has(anchor: string): boolean {
    return this.present.has(anchor);
  }

  follow(listener: () => void): void {
    this.#listener = listener;
  }

  change(change: (present: Set<string>) => void): void {
    change(this.present);
    this.#listener();
  }
}

/** A gateway whose clock is turned by hand, and tokens that are identities in JSON. */
async function openGateway() {
  const clock = { nowS: startS, nowUs: () => clock.nowS * 1e6 };
  const authenticate = (token: string): Identity =>
    makeIdentity({ tenant: "default", user: "anna", grants, ...JSON.parse(token) });
  const anchors = new TestAnchors("old", "new");
  const gateway = await testGateway({ parts: { clock, authenticate, anchors } });
  const open = (said: object) => gateway.client({ token: tokenOf(said) });
  return { clock, anchors, open };
}

const refresh = async (client: RawClient, said: object) => {
  const requestId = client.nextId();
  client.send({ $case: "refresh", value: { requestId, token: tokenOf(said) } });
  return client.next("refreshed", (value) => value.requestId === requestId);
};
const kinds = ({ frames }: RawClient) => frames.map(({ $case }) => $case);

test("a key that is withdrawn: its tokens are told within half a minute, and closed after one", async () => {
  const { clock, anchors, open } = await openGateway();
  const [ends, stays, shows] = [
    await open({ anchor: "old" }),
    await open({ anchor: "new" }),
    await open({ anchor: "old", expiresAtS: startS + 7200 }),
  ];
  anchors.change((present) => present.delete("old"));
  clock.nowS = startS + HINT_SPREAD_S;
  for (const client of [ends, shows]) {
    expect((await client.next("tokenExpiring")).revoked).toBe(false);
  }
  expect((await refresh(shows, { anchor: "new" })).tokenExpiresInMs).toBe(0);
  clock.nowS = startS + JWT_CLOCK_TOLERANCE_S + 2;
  expect(await ends.closed).toEqual({ code: 4007, reason: "TOKEN_EXPIRED" });
  for (const client of [stays, shows]) await client.settle();
  expect(kinds(stays)).toEqual(["welcome", "pong"]);
  expect(kinds(shows).filter((kind) => kind === "error")).toEqual([]);
});

test("a key that comes back: nobody is closed, also who was told; tokens end when they say", async () => {
  const { clock, anchors, open } = await openGateway();
  const endless = await open({ anchor: "old" });
  const ending = await open({ anchor: "old", expiresAtS: startS + 7200 });
  anchors.change((present) => present.delete("old"));
  clock.nowS = startS + HINT_SPREAD_S;
  for (const client of [endless, ending]) await client.next("tokenExpiring");
  anchors.change((present) => present.add("old"));
  const witness = await open({ expiresAtS: startS + JWT_CLOCK_TOLERANCE_S });
  clock.nowS = startS + 2 * JWT_CLOCK_TOLERANCE_S + 2;
  await witness.closed;
  for (const client of [endless, ending]) await client.settle();
  clock.nowS = startS + 7200 + JWT_CLOCK_TOLERANCE_S + 2;
  expect((await ending.closed).reason).toBe("TOKEN_EXPIRED");
  await endless.settle();
});

test("keys that keep changing do not put off the end, and a late Hello does not begin it anew", async () => {
  const { clock, anchors, open } = await openGateway();
  // The last of these is told latest, so it is the one that changes could put off.
  const all = Array.from({ length: HINT_SPREAD_S - 1 }, () => open({ anchor: "old" }));
  const early = (await Promise.all(all)).at(-1) as RawClient;
  anchors.change((present) => present.delete("old"));
  for (const passedS of [10, 20, 30, 40, 50, 60]) {
    clock.nowS = startS + passedS;
    anchors.change((present) => present.add(`another-${passedS}`));
    await early.settle();
  }
  const late = await open({ anchor: "old" }); // its token was checked before
  clock.nowS = startS + JWT_CLOCK_TOLERANCE_S + 2;
  for (const client of [early, late]) expect((await client.closed).reason).toBe("TOKEN_EXPIRED");
});

test("Withdrawals: remembers since when, in bounded memory, and forgets what is back", () => {
  const anchors = new TestAnchors();
  const withdrawals = new Withdrawals(anchors);
  expect([withdrawals.sinceS("", 1), new Withdrawals(null).sinceS("a", 1)]).toEqual([0, 0]);
  expect([withdrawals.sinceS("a", 5), withdrawals.sinceS("a", 9)]).toEqual([5, 5]);
  anchors.present.add("a");
  expect(withdrawals.sinceS("a", 10)).toBe(0);
  anchors.present.delete("a");
  expect(withdrawals.sinceS("a", 11)).toBe(11);
  for (let i = 0; i < WITHDRAWN_COUNT_MAX; i += 1) withdrawals.sinceS(`b${i}`, 12);
  expect([withdrawals.sinceS("b1", 13), withdrawals.sinceS("a", 13)]).toEqual([12, 13]);
});
