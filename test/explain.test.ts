/**
 * `tidegatectl explain` against an all-in-one on the embedded bus: each answer brought about, also
 * after a kill -9 and a start on the same data.
 */
import { expect, test } from "vitest";
import { runCli } from "./cli/run-cli.ts";
import { environmentOf, explain, publishTo, startKnown, textOf, tokenOf } from "./explain-tools.ts";
import { RawClient } from "./gateway/raw-client.ts";
import { startServer } from "./start-server.ts";

const room = "chat:a";

test("explain: who was there, who was not, who was refused; limits, and no message", async () => {
  const server = await startKnown(environmentOf(["ann", "bob", "eve", "sender"]));
  const open = (user: string) => RawClient.open(server.port, { token: tokenOf(user) });
  const control = ["--control", server.grpc];
  await runCli(["limits", "set", "connections-per-user", "5", ...control]);
  const sender = await open("sender");
  const first = await publishTo(sender, room, 1);
  const ann = await open("ann");
  const { roomAlias } = await ann.join(room);
  const eve = await open("eve");
  eve.sendJoin([{ room, after: undefined, history: 0 }]);
  await eve.next("error");
  const second = await publishTo(sender, room, 2);
  await ann.texts(roomAlias, 1);
  const say = (user: string, message = "") => explain(server.grpc, user, room, message);

  const got = await say("ann", second);
  expect(got).toMatchObject({
    verdict: "DELIVERED",
    memberships: [{ through: second, end: "NONE" }],
  });
  expect(got.answer).toContain(`${ann.welcome?.connectionId} at ${got.memberships[0]?.gateway}`);
  expect(got.settings).toContainEqual({
    ...{ kind: "limit", name: "connections-per-user", value: "5", reason: "" },
  });
  expect(got.coverage).toMatchObject({ droppedCount: 0, silentGateways: [] });
  expect(await say("ann", first)).toMatchObject({ verdict: "JOINED_LATER" });
  expect(await say("bob", second)).toMatchObject({ verdict: "NEVER_JOINED", memberships: [] });
  const refused = await say("eve", second);
  expect(refused).toMatchObject({ verdict: "REFUSED" });
  expect(refused.answer).toMatch(/PERMISSION_DENIED.*not allowed by the token/);
  expect(await say("ann", "1.999999.1")).toMatchObject({ verdict: "NOT_STORED" });
  const otherTime = second.replace(/\d+$/, "1763840000000000");
  expect(await say("ann", otherTime)).toMatchObject({ verdict: "NOT_STORED" });
  expect(await say("ann")).toMatchObject({
    verdict: "UNSPECIFIED",
    answer: `ann is a member of ${room}.`,
  });

  ann.socket.close(1000);
  await ann.closed;
  const third = await publishTo(sender, room, 3);
  expect(await say("ann", third)).toMatchObject({ verdict: "LEFT_BEFORE" });
  const page = await runCli([
    "explain",
    "--room",
    room,
    "--user",
    "ann",
    "--message",
    third,
    ...control,
  ]);
  expect(page.stdout).toMatch(/^No: .* was closed at .*1000: the client closed it/);
  expect(page.stdout).toMatch(/Memberships:\nCONNECTION .*\n.*CLOSED 1000/);
  expect(page.stdout).toMatch(/Looked at: the journal from .* 0 records dropped/);
  const bad = await runCli([
    "explain",
    "--room",
    room,
    "--user",
    "ann",
    "--message",
    "x",
    ...control,
  ]);
  expect(bad.stderr).toMatch(/message.*"<epoch>.<seq>.<time_us>"/);
}, 60_000);

test("explain: an ephemeral room goes by time", async () => {
  const server = await startKnown(environmentOf(["ann", "sender"]));
  const ann = await RawClient.open(server.port, { token: tokenOf("ann") });
  const beforeUs = Date.now() * 1000;
  await ann.join("live:a");
  const say = (timeUs: number) => explain(server.grpc, "ann", "live:a", `0.0.${timeUs}`);
  expect(await say(Date.now() * 1000)).toMatchObject({ verdict: "DELIVERED" });
  expect((await say(beforeUs - 60_000_000)).verdict).toMatch(/UNKNOWN|JOINED_LATER/);
}, 60_000);

test("explain: after kill -9 of the all-in-one the journal is there, and says what it lacks", async () => {
  const env = environmentOf(["ann", "sender"]);
  const doomed = await startKnown({ ...env, GATEWAY_ID: "gw-one" });
  const sender = await RawClient.open(doomed.port, { token: tokenOf("sender") });
  const ann = await RawClient.open(doomed.port, { token: tokenOf("ann") });
  const { roomAlias } = await ann.join(room);
  const message = await publishTo(sender, room, 1);
  await ann.texts(roomAlias, 1);
  expect(await explain(doomed.grpc, "ann", room, message)).toMatchObject({ verdict: "DELIVERED" });
  await doomed.kill();
  const next = await startServer({
    env: { ...env, GATEWAY_ID: "gw-one" },
    dataDir: doomed.dataDir,
  });
  try {
    const lost = await explain(next.grpc, "ann", room, message);
    expect(lost).toMatchObject({ verdict: "GATEWAY_LOST", memberships: [{ end: "GATEWAY_LOST" }] });
    expect(lost.unknowns.join()).toMatch(/gw-one ended without a word/);
    const again = await RawClient.open(next.port, { token: tokenOf("ann") });
    const [had] = ann.messages(roomAlias);
    const joined = await again.join(room, { after: had?.position });
    expect(joined.recovered).toBe(true);
    const told = await explain(next.grpc, "ann", room, message);
    expect(told).toMatchObject({ verdict: "DELIVERED" });
    expect(told.answer).toContain(`resumed`);
    expect(told.answer).toContain(`after ${textOf(had?.position)}: the client had it`);
  } finally {
    await next.close();
  }
}, 60_000);
