/**
 * Connection care: a node in lame duck mode is left before it cuts, a frozen one is left too, and
 * what is missed on the way is counted to the last message.
 */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import type { NatsNode } from "../../deploy/nats/node.ts";
import { codeOf, envelopeOf, newRoom, Recorder } from "../bus/contract-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;
let busCount = 0;

beforeAll(async () => {
  nats = await startTestNats(3);
}, 120_000);

afterAll(() => nats?.stop());

/** A process that knows one node to begin with; the others it learns of. */
async function openBus(node: NatsNode): Promise<Bus> {
  busCount += 1;
  const name = `care-${busCount}`;
  const bus = await openNatsBus({ servers: [node.url], name, replicaCount: 3 });
  onTestFinished(() => bus.close());
  return bus;
}

function isOn(bus: Bus, node: NatsNode): boolean {
  return bus.status().detail.endsWith(`:${node.options.port}`);
}

/** Publishes numbers until `isDone`, some always under way; returns how many. */
async function publishUntil(
  bus: Bus,
  room: RoomAddress,
  isDone: (count: number) => boolean,
): Promise<number> {
  for (let count = 0; ; ) {
    if (isDone(count)) return count;
    // Refused only while this process's own link or lease is away, which is not what is tested.
    const text = String(count);
    if ((await codeOf(() => bus.publish(room, envelopeOf(text)))) === "no error") count += 1;
    await bus.head(room); // there and back: some 1 000 a second
  }
}

/** A member on `node` and a publisher on `other`, who hear each other in `room`. */
async function openPair(node: NatsNode, other: NatsNode, room: RoomAddress) {
  const [member, publisher] = [await openBus(node), await openBus(other)];
  const warm = new Recorder();
  const leave = member.subscribeRoom(room, warm);
  await publishUntil(publisher, room, () => warm.texts.length > 0);
  const recorder = new Recorder();
  member.subscribeRoom(room, recorder);
  leave();
  await publishUntil(publisher, room, () => recorder.texts.length > 0);
  return { member, publisher, recorder };
}

test("frozen node: its gateway leaves it, says so, and goes on at another", async () => {
  const [, node, other] = nats.nodes as [NatsNode, NatsNode, NatsNode];
  const room = newRoom("frozen", "live");
  const { member, publisher, recorder } = await openPair(node, other, room);
  const changes: boolean[] = [];
  member.followCutOff((isCutOff) => changes.push(isCutOff));
  expect(isOn(member, node)).toBe(true);
  await node.signal("SIGSTOP");
  onTestFinished(() => node.signal("SIGCONT"));
  await publishUntil(publisher, room, () => changes.length === 2);
  expect(changes).toEqual([true, false]);
  expect(isOn(member, node)).toBe(false);
  expect(recorder.losses.map(({ missedCount }) => missedCount)).toEqual([0]);
  const heardCount = recorder.texts.length;
  await publishUntil(publisher, room, () => recorder.texts.length > heardCount);
  await node.signal("SIGCONT");
  // What the thawed node still holds reaches nobody twice, and nothing is told as lost for it.
  await publishUntil(publisher, room, (count) => count > 200);
  expect(recorder.losses).toHaveLength(1);
}, 60_000);

test("lame duck: its gateway goes to another node, and every message is heard or told", async () => {
  const [node, other] = nats.nodes as [NatsNode, NatsNode];
  const room = newRoom("ldm", "live");
  const { member, publisher, recorder } = await openPair(node, other, room);
  expect(isOn(member, node)).toBe(true);
  await node.signal("SIGUSR2");
  let afterCount = 0;
  const sent = await publishUntil(publisher, room, () => {
    if (!isOn(member, node)) afterCount += 1;
    return afterCount > 200;
  });
  const lost = () => recorder.losses.reduce((sum, { missedCount }) => sum + missedCount, 0);
  while (recorder.texts.at(-1) !== String(sent - 1)) {
    await recorder.ephemeralCount(recorder.texts.length + 1);
  }
  const numbers = recorder.texts.slice(-sent + lost()).map(Number);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  expect(numbers.at(-1)).toBe(sent - 1);
  expect(recorder.losses.every(({ missedCount }) => missedCount > 0)).toBe(true);
  expect(member.isCutOff).toBe(false);
}, 60_000);
