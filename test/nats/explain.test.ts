/**
 * `tidegatectl explain` on NATS: a gateway is killed with kill -9, and the answer still is there,
 * at a control plane of another process; resumed or not makes the difference.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { environmentOf, explain, publishTo, startKnown, tokenOf } from "../explain-tools.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const room = "chat:killed";
let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(3);
}, 120_000);

afterAll(() => nats?.stop());

test("kill -9 of a gateway: who resumed had it or got it, of who did not it is not known", async () => {
  const NATS_URL = nats.urls.join(",");
  const env = { ...environmentOf(["ann", "bob", "sender"]), NATS_URL, REPLICA_COUNT: "3" };
  const doomed = await startKnown({ ...env, GATEWAY_ID: "gw-doomed" });
  const other = await startKnown({ ...env, GATEWAY_ID: "gw-other" });
  const open = (port: number, user: string) => RawClient.open(port, { token: tokenOf(user) });
  const [ann, bob] = [await open(doomed.port, "ann"), await open(doomed.port, "bob")];
  const sender = await open(other.port, "sender");
  const { roomAlias } = await ann.join(room);
  await bob.join(room);
  const first = await publishTo(sender, room, 1);
  await ann.texts(roomAlias, 1);
  const live = await explain(other.grpc, "ann", room, first);
  expect(live).toMatchObject({ verdict: "DELIVERED", memberships: [{ gateway: "gw-doomed" }] });
  await doomed.kill();
  const second = await publishTo(sender, room, 2);
  const say = (user: string, message: string) => explain(other.grpc, user, room, message);

  const never = await say("carl", second);
  expect(never).toMatchObject({ verdict: "NEVER_JOINED" });
  expect(never.answer).toMatch(/^No: as far as is recorded, carl never joined/);
  expect(never.unknowns.join()).toMatch(/gw-doomed ended without a word after /);
  const lost = await say("bob", second);
  expect(lost).toMatchObject({ verdict: "GATEWAY_LOST", memberships: [{ end: "GATEWAY_LOST" }] });
  expect(lost.unknowns.join()).toMatch(
    /gw-doomed ended without a word.*no record of how far gw-doomed-/,
  );
  const [had] = ann.messages(roomAlias);
  const again = await open(other.port, "ann");
  const joined = await again.join(room, { after: had?.position });
  await again.texts(joined.roomAlias, 1);
  expect(await say("ann", first)).toMatchObject({ verdict: "DELIVERED" });
  expect((await say("ann", first)).answer).toMatch(/the client had it/);
  const got = await say("ann", second);
  expect(got.verdict).toBe("DELIVERED");
  expect(got.answer).toMatch(/at gw-other was handed everything/);
  expect(got.memberships.map(({ gateway, end }) => [gateway, end])).toEqual([
    ["gw-doomed", "GATEWAY_LOST"],
    ["gw-other", "NONE"],
  ]);
  expect(got.events.map(({ kind }) => kind)).toEqual(["opened", "joined", "opened", "joined"]);
}, 120_000);
