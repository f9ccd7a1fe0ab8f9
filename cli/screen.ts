/**
 * A terminal as a whole screen that is drawn in place: plain ANSI, so that it works over ssh and in
 * any terminal; what was there before comes back at the end.
 */
import type { ReadStream, WriteStream } from "node:tty";

/** Characters of a screen. */
export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** A screen of a person. */
export interface Screen {
  /** Whether it shows colours (NO_COLOR and TERM are heeded). */
  readonly hasColour: boolean;
  /** Now; it may change. */
  size(): ScreenSize;
  /** Takes the screen and the keyboard until the returned function is called. */
  take(onKey: (key: string) => void, onResize: () => void): () => void;
}

/** What a terminal says when it does not know its size: the smallest that is usual. */
const unknownSize: ScreenSize = { columns: 80, rows: 24 };
const takeScreen = "\u001b[?1049h\u001b[?25l\u001b[2J";
const giveBack = "\u001b[?25h\u001b[?1049l";
const toTopLeft = "\u001b[H";
const clearLine = "\u001b[K";
const clearBelow = "\u001b[J";

/** The bytes that draw lines over what is there, without a flicker. */
export function drawing(lines: readonly string[]): string {
  return `${toTopLeft}${lines.map((line) => line + clearLine).join("\r\n")}${clearBelow}`;
}

/** The screen of this process; null when stdout is none. */
export function screenOf(stdin: ReadStream, stdout: WriteStream): Screen | null {
  if (stdout.isTTY !== true) return null;
  const size = () => {
    const [columns = 0, rows = 0] = stdout.getWindowSize();
    return columns > 0 && rows > 0 ? { columns, rows } : unknownSize;
  };
  return {
    hasColour: stdout.hasColors(),
    size,
    take(onKey, onResize) {
      const onData = (bytes: Buffer) => onKey(bytes.toString("latin1"));
      const hasKeys = stdin.isTTY === true;
      if (hasKeys) {
        stdin.setRawMode(true);
        stdin.on("data", onData);
        stdin.resume();
      }
      stdout.on("resize", onResize);
      stdout.write(takeScreen);
      return () => {
        stdout.off("resize", onResize);
        if (hasKeys) {
          stdin.off("data", onData);
          stdin.setRawMode(false);
          stdin.pause();
        }
        stdout.write(giveBack);
      };
    },
  };
}
