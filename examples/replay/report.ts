/**
 * What consumers tell the run: one JSON object a line. Python writes the same (consumer.py).
 */

/** What every message of the replay carries. */
export interface ReplayPayload {
  /** Who published it. */
  readonly p: string;
  /** The how many-th of that publisher in that room, from 1; 0 marks the end of a room. */
  readonly n: number;
  /** When it was published first, milliseconds since 1970. */
  readonly at: number;
  readonly event: object;
}

/** A line of a consumer. */
export type Report =
  /** It is in all rooms. */
  | { readonly type: "joined" }
  /** It is connected, for the first time or again. */
  | { readonly type: "open"; readonly at: number }
  | {
      readonly type: "message";
      readonly room: string;
      readonly p: string;
      readonly n: number;
      /** Published, received; milliseconds since 1970. */
      readonly at: number;
      readonly got: number;
    }
  | { readonly type: "gap"; readonly room: string; readonly reason: string }
  /** It can not go on. */
  | { readonly type: "failed"; readonly reason: string };
