/** Whether a resume recovers exactly what was missed, and why not. */
import { expect, test } from "vitest";
import type { DurableMessage } from "../../bus/bus.ts";
import { decideResume, oldestTimeUs, type ResumeFacts } from "../../gateway/resume.ts";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { classPolicy, defaultRoomClass } from "../../proto/room-class.ts";

const nowUs = 2_000_000_000_000_000;
const hourUs = 3_600_000_000;
const found = classPolicy("chat", defaultRoomClass("", RoomMode.DURABLE));
if (found === null) throw new Error("the default class is deleted");
const policy = { ...found, historyAgeMaxS: 3600, historyCountMax: 100 };

const at = (seq: number, ageUs = 1000, epoch = 1) => ({ epoch, seq, timeUs: nowUs - ageUs });
const message = (seq: number, ageUs = 1000): DurableMessage => ({
  ...at(seq, ageUs),
  prevSeq: seq - 1,
  envelope: new Uint8Array(),
});
const whole = (...messages: DurableMessage[]) => ({ isContinuous: true, messages, isEnd: true });
const broken = { isContinuous: false, messages: [message(90)], isEnd: false };
const facts = (more: Partial<ResumeFacts>): ResumeFacts => ({
  ...{ after: at(5), read: whole(), head: at(9), floor: null, policy, nowUs },
  ...more,
});

test.each<[string, Partial<ResumeFacts>, GapReason | null]>([
  ["nothing was missed", { after: at(9) }, null],
  ["nothing was missed for longer than the class keeps", { after: at(9, 9 * hourUs) }, null],
  ["all that was missed is there", { read: whole(message(6), message(9)) }, null],
  ["the first missed is the oldest in reach", { read: whole(message(6)), floor: at(6) }, null],
  [
    "one missed is out of the count",
    { read: whole(message(6)), floor: at(7) },
    GapReason.RETENTION,
  ],
  ["the first missed is as old as the age", { read: whole(message(6, hourUs)) }, null],
  ["the first missed is older", { read: whole(message(6, hourUs + 1)) }, GapReason.RETENTION],
  ["the position was trimmed away", { read: broken }, GapReason.RETENTION],
  ["of an earlier epoch, not found", { read: broken, after: at(5, 1, 0) }, GapReason.RETENTION],
  ["of the future", { read: broken, after: at(99) }, GapReason.POSITION_UNKNOWN],
  ["of a later epoch", { read: broken, after: at(5, 1, 2) }, GapReason.POSITION_UNKNOWN],
  ["at the head, with another time", { read: broken, after: at(9) }, GapReason.POSITION_UNKNOWN],
  ["in an empty room", { read: broken, head: null }, GapReason.POSITION_UNKNOWN],
  ["expired", { read: broken, head: null, after: at(99, 2 * hourUs) }, GapReason.RETENTION],
])("decideResume: %s", (_name, more, expected) => {
  expect(decideResume(facts(more))).toBe(expected);
});

test("oldestTimeUs: now less the class's age", () => {
  expect(oldestTimeUs(policy, nowUs)).toBe(nowUs - hourUs);
});
