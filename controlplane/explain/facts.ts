/**
 * What an explanation rests on, as plain data: gathered by explain-service.ts, judged by the files
 * beside this one.
 */
import type { JournalEntry } from "../../bus/journal.ts";
import type { Position } from "../../bus/position.ts";
import type { UserConnection } from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";

/** The message that is asked about. */
export interface MessageFacts {
  readonly position: Position;
  /**
   * "missing": nothing stands there, though its shard keeps older ones; "expired": nothing stands
   * there, and nothing as old is kept; "unknown": the store did not answer; "ephemeral": nothing is
   * ever stored, and of the position only the time counts.
   */
  readonly state: "stored" | "void" | "missing" | "expired" | "unknown" | "ephemeral";
}

/** A gateway as it is now. */
export interface GatewayFacts {
  /** When its process started, microseconds. */
  readonly startedUs: number;
  /** Null: it did not answer. */
  readonly connections: readonly UserConnection[] | null;
}

/** A sign of life, or the begin or end of a gateway's process. */
export interface Sign {
  readonly timeUs: number;
  readonly isStart: boolean;
  readonly isEnd: boolean;
}

/** A gateway that ended without a word since the journal begins. */
export interface LostGateway {
  readonly id: string;
  readonly startedUs: number;
  /** Last sign of life. */
  readonly lastUs: number;
}

/** All of it. */
export interface ExplainFacts {
  readonly user: string;
  readonly room: string;
  readonly nowUs: number;
  /** Records are looked at from here on; null: there is no journal. */
  readonly fromUs: number | null;
  /** Null: none was asked for. */
  readonly message: MessageFacts | null;
  /** Of the user: about the room, or about connections. By time. */
  readonly entries: readonly JournalEntry[];
  /** Gaps that all members of the room at a gateway were told of. By time. */
  readonly roomGaps: readonly JournalEntry[];
  /** Of gateways in `entries` that are not here any more in the same life. By time. */
  readonly signs: ReadonlyMap<string, readonly Sign[]>;
  /** What they noted last is not in the journal. */
  readonly lost: readonly LostGateway[];
  /** Those that are there now, by id. */
  readonly gateways: ReadonlyMap<string, GatewayFacts>;
  /** Records that gateways dropped since `fromUs`. */
  readonly droppedCount: number;
  /** More records than one answer looks at: the newest are missing. */
  readonly isCut: boolean;
}
