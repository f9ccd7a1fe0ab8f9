/**
 * `--watch`: a view that is drawn again and again, until Ctrl-C.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Context, note, print } from "./context.ts";
import { describeFailure, Failure } from "./failure.ts";

/** Between two drawings, ms. */
const REDRAW_MS = 2000;
/** To the top left, and everything below cleared. */
const clearScreen = "\u001b[H\u001b[2J";

/**
 * Draws, at once and then every 2 s. On a terminal in place, else one below the other.
 *
 * @throws {Failure} when the first drawing fails; later ones wait for a control plane that is away,
 *   since that is when people watch.
 */
export async function watchView(context: Context, draw: () => Promise<string>): Promise<void> {
  const { signal, isTerminal } = context;
  const clear = isTerminal ? clearScreen : "";
  await print(context, clear + (await draw()));
  for (;;) {
    try {
      await sleep(REDRAW_MS, undefined, { signal });
    } catch {
      return; // ended by a signal: that is how a watch ends
    }
    try {
      await print(context, clear + (await draw()));
    } catch (reason) {
      if (!(reason instanceof Failure) || reason.code !== "UNAVAILABLE") throw reason;
      await print(context, clear);
      note(
        context,
        describeFailure(reason)
          .text.replace(/^tidegatectl: /, "")
          .trimEnd(),
      );
    }
  }
}
