/**
 * Whether a message is stored where it is said to be.
 */
import type { Bus } from "../../bus/bus.ts";
import { comparePositions, type Position } from "../../bus/position.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import { isVoid } from "../../bus/void.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { ClassPolicy } from "../../proto/room-class.ts";
import type { MessageFacts } from "./facts.ts";

/** Looks it up; "unknown" when the store does not answer. */
export async function findMessage(
  bus: Bus,
  room: RoomAddress,
  position: Position,
  { historyAgeMaxS }: ClassPolicy,
  nowUs: number,
): Promise<MessageFacts["state"]> {
  try {
    const next = { ...position, seq: position.seq + 1 };
    const [message] = (await bus.readBefore(room, next, 1)).messages;
    const isThere = message !== undefined && comparePositions(message, position) === 0;
    if (isThere && message.timeUs === position.timeUs) {
      return isVoid(message, bus.publishLimits) ? "void" : "stored";
    }
    if (message !== undefined) return "missing";
    const [oldest] = (await bus.readAfter(room, null, 1)).messages;
    const isOlder = oldest !== undefined && comparePositions(position, oldest) < 0;
    return isOlder || nowUs - position.timeUs > historyAgeMaxS * 1e6 ? "expired" : "missing";
  } catch (error) {
    if (CodedError.from(error).code !== "UNAVAILABLE") throw error;
    return "unknown";
  }
}
