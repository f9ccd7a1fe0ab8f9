/**
 * What a gateway writes down of its clients: each step of a membership with its positions, gaps and
 * refusals; nothing of messages, nothing of the nameless.
 */
import { expect, test } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import type { JournalEntry } from "../../../bus/journal.ts";
import { type Grant, makeIdentity } from "../../../gateway/identity.ts";
import { RefusalFold } from "../../../gateway/journal/refusal-fold.ts";
import {
  JournalAct,
  type JournalRecord,
  JournalRefused,
} from "../../../proto/gen/tidegate/bus/v1/journal.ts";
import { GapReason } from "../../../proto/gen/tidegate/client/v1/message.ts";
import {
  PublishPermission,
  RoomMode,
  SlowMemberPolicy,
} from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../../proto/room-class.ts";
import { openTestGateway, type TestGateway, testGateway } from "../start-gateway.ts";

const grants: Grant[] = ["chat:a", "chat:b", "slow:*"].map((rooms) => ({ rooms, actions: 15 }));
/** The token is the user; "nobody" has no name. */
const authenticate = async (token: string) =>
  makeIdentity({ tenant: "default", user: token === "nobody" ? "" : token, grants });

async function recordsOf(bus: Bus, user: string): Promise<readonly JournalRecord[]> {
  await bus.journal.flush();
  const isOfUser = ({ record }: JournalEntry) => record.user === user;
  const ofUser = { kind: "user", tenant: "default", user } as const;
  return (await bus.journal.read(ofUser, 0, isOfUser)).entries.map(({ record }) => record);
}

/** As it is told below: kind, room, and what is in it. */
function told(records: readonly JournalRecord[]) {
  return records.map(({ room, what }) => [what?.$case, room, what?.value] as const);
}

async function start(): Promise<TestGateway> {
  return testGateway({ parts: { authenticate } });
}

test("a membership leaves its steps, with positions; messages leave nothing", async () => {
  const gateway = await start();
  const sender = await gateway.client({ token: "sender" });
  const publish = async (seq: number) => {
    const ack = await sender.ack(sender.publish({ room: "chat:a", seq, payload: `${seq}` }));
    return ack.position;
  };
  const first = await publish(1);
  const ann = await gateway.client({ token: "ann" });
  const { roomAlias } = await ann.join("chat:a");
  await ann.join("chat:b");
  const second = await publish(2);
  await ann.texts(roomAlias, 1);
  ann.socket.close(1000);
  await ann.closed;
  const third = await publish(3);
  const again = await gateway.client({ token: "ann" });
  const joined = await again.join("chat:a", { after: second });
  expect(joined.recovered).toBe(true);
  await again.texts(joined.roomAlias, 1);
  again.send({ $case: "leave", value: { requestId: again.nextId(), roomAlias: joined.roomAlias } });
  await again.next("left");
  const records = await recordsOf(gateway.bus, "ann");
  expect(told(records)).toMatchObject([
    ["opened", "", { clientName: "raw", clientVersion: "1.0.0" }],
    ["joined", "chat:a", { from: first, head: first, isResume: false, durable: true }],
    ["joined", "chat:b", { from: undefined, head: undefined }],
    [
      "closed",
      "",
      { code: 1000, places: [{ room: "chat:a", through: second }, { room: "chat:b" }] },
    ],
    ["opened", "", {}],
    ["joined", "chat:a", { from: second, after: second, head: third, isResume: true, loss: 0 }],
    ["left", "chat:a", { code: "", through: third }],
  ]);
  expect(records[0]?.connection).toBe(ann.welcome?.connectionId);
  const ofSender = (await recordsOf(gateway.bus, "sender")).map(({ what }) => what?.$case);
  expect(ofSender).toEqual(["opened"]);
});

test("refusals say act, code and limit; the nameless leave nothing", async () => {
  const gateway = await start();
  const full = defaultRoomClass("tenants/default/roomClasses/slow", RoomMode.DURABLE);
  await gateway.putClass("slow", { ...full, memberCountMax: 1 });
  const [ann, bob] = [
    await gateway.client({ token: "ann" }),
    await gateway.client({ token: "bob" }),
  ];
  const nobody = await gateway.client({ token: "nobody" });
  ann.sendJoin([{ room: "chat:x", after: undefined, history: 0 }]);
  await ann.next("error");
  await ann.join("slow:a");
  bob.sendJoin([{ room: "slow:a", after: undefined, history: 0 }]);
  await bob.next("error");
  await nobody.join("chat:a");
  const [, refused] = await recordsOf(gateway.bus, "ann");
  expect(refused).toMatchObject({
    room: "chat:x",
    what: {
      $case: "refused",
      value: { code: "PERMISSION_DENIED", act: JournalAct.JOIN, count: 1 },
    },
  });
  const ofBob = (await recordsOf(gateway.bus, "bob")).filter(
    ({ what }) => what?.$case === "refused",
  );
  expect(ofBob[0]?.what?.value).toMatchObject({
    code: "ROOM_FULL",
    limit: "room-members",
    limitValue: 1n,
  });
  expect(await recordsOf(gateway.bus, "")).toEqual([]);
});

test("a name as long as a frame is refused, and not written down", async () => {
  const gateway = await start();
  const ann = await gateway.client({ token: "ann" });
  ann.sendJoin([{ room: `chat:${"x".repeat(60_000)}`, after: undefined, history: 0 }]);
  await ann.next("error");
  expect(told(await recordsOf(gateway.bus, "ann"))).toMatchObject([["opened", "", {}]]);
});

test("a slow member's gap is noted between its positions; a gateway notes its begin and end", async () => {
  const gateway = await openTestGateway({ parts: { authenticate } });
  const base = defaultRoomClass("tenants/default/roomClasses/slow", RoomMode.DURABLE);
  const publishPermission = PublishPermission.CLIENTS;
  await gateway.putClass("slow", {
    ...base,
    slowMemberPolicy: SlowMemberPolicy.GAP,
    publishPermission,
  });
  const sender = await gateway.client({ token: "sender" });
  const stalled = await gateway.client({ token: "stalled" });
  await stalled.join("slow:a");
  stalled.socket.pause();
  const payload = "x".repeat(8192);
  for (let seq = 0; gateway.gateway.stats().laggedCount === 0; ) {
    const ids = Array.from({ length: 50 }, () => {
      seq += 1;
      return sender.publish({ room: "slow:a", seq, payload });
    });
    await Promise.all(ids.map((id) => sender.ack(id)));
  }
  stalled.socket.resume();
  const gap = await stalled.next("gap");
  const records = await recordsOf(gateway.bus, "stalled");
  const of = (kind: string) => records.find(({ what }) => what?.$case === kind)?.what?.value;
  expect(of("skip")).toMatchObject({ after: gap.after, policy: SlowMemberPolicy.GAP });
  expect(of("gap")).toMatchObject({ reason: GapReason.SLOW_MEMBER, after: gap.after });
  const { until: last } = of("gap") as { until?: { seq: bigint } };
  expect(last?.seq).toBeGreaterThan(gap.after?.seq ?? 0n);
  const { bus } = gateway;
  const isSigns = ({ record }: JournalEntry) => record.what?.$case === "signs";
  await bus.journal.flush();
  await gateway.gateway.close();
  await bus.journal.flush();
  const signs = (await bus.journal.read({ kind: "lives" }, 0, isSigns)).entries;
  expect(signs.map(({ record }) => record.what?.value)).toMatchObject([
    { isStart: true },
    { isEnd: true },
  ]);
  await gateway.close();
});

test("RefusalFold: the first at once, then the rest in one record", () => {
  const written: JournalRecord["what"][] = [];
  const fold = new RefusalFold(({ what }) => written.push(what));
  const refused = { ...JournalRefused.decode(new Uint8Array(0)), code: "ROOM_FULL", count: 1 };
  const about = { tenant: "t", user: "ann", room: "chat:a", connection: "gw-1" };
  for (let i = 0; i < 100; i += 1) fold.add(about, refused);
  fold.add({ ...about, room: "chat:b" }, refused);
  expect(written).toHaveLength(2);
  fold.close();
  expect(written[2]?.value).toMatchObject({ code: "ROOM_FULL", count: 99 });
  expect(written).toHaveLength(3);
});
