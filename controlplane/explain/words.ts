/**
 * Records and ends in words.
 *
 * Pure.
 */
import type { JournalEntry } from "../../bus/journal.ts";
import { formatPosition } from "../../bus/position.ts";
import { ERRORS } from "../../proto/gen/errors.ts";
import { GapReason, type Position } from "../../proto/gen/tidegate/client/v1/message.ts";
import { ExplainEnd } from "../../proto/gen/tidegate/control/v1/explain.ts";
import { SlowMemberPolicy } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { fromWire, type Membership } from "./memberships.ts";

const gapTexts: Readonly<Record<number, string>> = {
  [GapReason.RETENTION]: "older than its class or shard keeps",
  [GapReason.POSITION_UNKNOWN]: "its position is not in the room's history",
  [GapReason.SLOW_MEMBER]: "it read too slowly, and its class skips then",
  [GapReason.EPHEMERAL]: "an ephemeral room keeps nothing to resume from",
  [GapReason.BUS]: "lost between gateways",
};

const slowTexts: Readonly<Record<number, string>> = {
  [SlowMemberPolicy.RESYNC]: "what comes meanwhile is read from the store once it has drained",
  [SlowMemberPolicy.GAP]: "what comes meanwhile is skipped and told as a gap",
  [SlowMemberPolicy.DISCONNECT]: "its connection is closed",
};

/** Why messages are missing. */
export function gapText(reason: number): string {
  return gapTexts[reason] ?? "no reason was given";
}

/** "2026-11-22 20:41:03.120", UTC; "an unknown time" for none. */
export function isoTime(timeUs: bigint | number | null): string {
  if (timeUs === null || timeUs === 0 || timeUs === 0n) return "an unknown time";
  return new Date(Math.floor(Number(timeUs) / 1000)).toISOString().replace("T", " ").slice(0, 23);
}

/** A close code with the errors that it stands for. */
export function closeText(code: number): string {
  const names = Object.entries(ERRORS)
    .filter(([, { close }]) => close === code)
    .map(([name]) => name);
  const words: Readonly<Record<number, string>> = {
    1000: "the client closed it",
    1001: "the client went away",
    1005: "the client closed it",
    1006: "it broke off",
  };
  const text = words[code] ?? (names.length > 3 ? "" : names.join(" or "));
  return text === "" ? String(code) : `${code}: ${text}`;
}

/** How a membership ended, as the end of a sentence that begins with its connection. */
export function endText({ end, endUs, endReason }: Membership): string {
  const at = isoTime(endUs);
  if (end === ExplainEnd.CLOSED) return `was closed at ${at} (${closeText(Number(endReason))})`;
  if (endReason !== "") return `was put out of the room at ${at} (${endReason})`;
  return `left at ${at}`;
}

/** A record as a sentence. */
export function entryText({ record: { what } }: JournalEntry): string {
  switch (what?.$case) {
    case "opened": {
      const { clientName, clientVersion, clientPlatform, gate } = what.value;
      const build = [clientName, clientVersion, clientPlatform].filter((each) => each !== "");
      const told = gate === "" ? "" : `, told of version gate ${gate}`;
      return `connected (${build.join(" ") || "no build"})${told}`;
    }
    case "closed":
      return `connection closed (${closeText(what.value.code)})`;
    case "joined":
      return joinText(what.value);
    case "left": {
      const by = what.value.code === "" ? "left" : `put out of the room (${what.value.code})`;
      return `${by}, having got everything to ${placeText(what.value.through)}`;
    }
    case "gap": {
      const { reason, missedCount, after, until } = what.value;
      const count = missedCount === 0n ? "messages are" : `${missedCount} are`;
      const end = until === undefined ? "" : ` to ${placeText(until)}`;
      const from = after === undefined ? "" : ` after ${placeText(after)}${end}`;
      return `told that ${count} missing${from}: ${gapText(reason)}`;
    }
    case "skip": {
      const after = what.value.after === undefined ? "" : ` after ${placeText(what.value.after)}`;
      return `too slow${after}: ${slowTexts[what.value.policy] ?? "its class says what follows"}`;
    }
    case "refused": {
      const { code, detail, limit, limitValue, count } = what.value;
      const why = limit === "" ? "" : `, limit ${limit} of ${limitValue}`;
      return `refused${count > 1 ? ` ${count} times` : ""}: ${code}${why} (${detail})`;
    }
    default:
      return "something that this version does not know";
  }
}

function joinText(joined: {
  readonly isResume: boolean;
  readonly after: Position | undefined;
  readonly from: Position | undefined;
  readonly loss: number;
  readonly durable: boolean;
  readonly gate: string;
  readonly named: string;
}): string {
  const { isResume, after, from, loss, durable, gate, named } = joined;
  const gated = gate === "" ? "" : `, under version gate ${gate}`;
  const by = named === "" ? gated : `, asking for ${named}${gated}`;
  if (isResume && loss === GapReason.UNSPECIFIED) {
    return `resumed after ${placeText(after)}, recovered${by}`;
  }
  if (isResume) return `resumed, recovered: false (${gapText(loss)}), at ${placeText(from)}${by}`;
  return durable ? `joined, at ${placeText(from)}${by}` : `joined${by}`;
}

function placeText(wire: Position | undefined): string {
  const position = fromWire(wire);
  return position === null ? "the beginning" : formatPosition(position);
}
