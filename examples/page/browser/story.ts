/**
 * What the page says about the connection, in sentences.
 *
 * Pure.
 */

/** Where the tale of a cut stands. */
export type Tale =
  | { readonly at: "calm"; readonly isDurable: boolean }
  /** Away since `sinceMs`; `waiting` messages were sent meanwhile that are known of. */
  | { readonly at: "away"; readonly sinceMs: number; readonly waiting: number }
  | {
      readonly at: "back";
      readonly awayMs: number;
      readonly isDurable: boolean;
      /** Since the cut. */
      readonly recovered: number;
      readonly missing: number;
      readonly doubled: number;
      readonly outOfOrder: number;
    };

/** One or two sentences; `nowMs` by the same clock as `sinceMs`. */
export function tellTale(tale: Tale, nowMs: number): string {
  switch (tale.at) {
    case "calm":
      return tale.isDurable
        ? "Cut the connection and watch: what is sent meanwhile comes back, once, in order."
        : "An ephemeral room keeps nothing: what is sent during a cut is gone, and it says so.";
    case "away":
      return `Away for ${seconds(nowMs - tale.sinceMs)}. ${sentMeanwhile(tale.waiting)}`;
    case "back":
      return `Back after ${seconds(tale.awayMs)}. ${outcome(tale)}`;
    default:
      return tale satisfies never;
  }
}

/** "3.2 s". */
export function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
}

function sentMeanwhile(count: number): string {
  if (count === 0) return "Nothing was sent meanwhile, as far as this page knows.";
  return `${messages(count)} sent meanwhile, not here yet.`;
}

function outcome(tale: Extract<Tale, { at: "back" }>): string {
  const faults = [
    tale.missing > 0 ? `${tale.missing} missing` : "",
    tale.doubled > 0 ? `${tale.doubled} doubled` : "",
    tale.outOfOrder > 0 ? `${tale.outOfOrder} out of order` : "",
  ].filter((fault) => fault !== "");
  if (!tale.isDurable && tale.missing > 0) {
    return `${messages(tale.missing)} lost: this room is ephemeral, it keeps nothing.`;
  }
  if (faults.length > 0) return `${messages(tale.recovered)} recovered, ${faults.join(", ")}.`;
  if (tale.recovered === 0) return "Nothing was sent meanwhile, nothing is missing.";
  return `${messages(tale.recovered)} recovered: none missing, none doubled, in order.`;
}

function messages(count: number): string {
  return count === 1 ? "1 message" : `${count} messages`;
}
