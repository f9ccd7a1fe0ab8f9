/**
 * `tidegatectl sub`: joins rooms and prints what comes.
 */
import { type Client, type RoomEvent, TidegateError } from "../sdk/typescript/index.ts";
import { type Context, note, print, type Target } from "./context.ts";
import { withGateway } from "./gateway-client.ts";
import { formatEventJson, formatMessage, type MessageFormat } from "./message-text.ts";

/** Options of `sub`. */
export interface SubOptions {
  readonly isJson: boolean;
  /** Print each message's position before it. */
  readonly hasPosition: boolean;
  /** Begin after this position, or empty for now. */
  readonly since: string;
  /** Begin with this many stored messages. */
  readonly history: number;
  /** End after this many messages, or 0 for never. */
  readonly count: number;
}

/** Prints until `count` messages have come, the rooms have ended, or the signal says so. */
export async function sub(
  context: Context,
  target: Target,
  version: string,
  rooms: readonly string[],
  options: SubOptions,
): Promise<void> {
  const format: MessageFormat = {
    isJson: options.isJson,
    hasPosition: options.hasPosition,
    hasRoom: rooms.length > 1,
    isEscaped: context.isTerminal,
  };
  const state = { left: options.count > 0 ? options.count : Number.POSITIVE_INFINITY };
  await withGateway(context, target, { version }, "close", async (client) => {
    const after = options.since === "" ? {} : { after: options.since };
    const joinOptions = { history: options.history, ...after };
    const joined = await Promise.all(rooms.map((room) => client.join(room, joinOptions)));
    const loops = joined.map((room) => printRoom(context, client, room, format, state));
    await Promise.all(loops);
  }).catch((reason) => {
    const isEnd = reason instanceof TidegateError && reason.code === "CLOSED";
    if (!(isEnd && (context.signal.aborted || state.left === 0))) throw reason;
  });
}

async function printRoom(
  context: Context,
  client: Client,
  room: AsyncIterable<RoomEvent<Uint8Array>>,
  format: MessageFormat,
  state: { left: number },
): Promise<void> {
  for await (const event of room) {
    if (context.signal.aborted || state.left === 0) return;
    switch (event.type) {
      case "message":
      case "invalid":
        state.left -= 1;
        await print(context, formatMessage(event, format));
        if (state.left === 0) {
          await client.close(); // ends the loops of the other rooms
          return;
        }
        break;
      case "gap":
        if (format.isJson) await print(context, formatEventJson(event));
        else note(context, `messages are missing here: ${gapText(event)}`);
        break;
      case "policy":
        if (format.isJson) await print(context, formatEventJson(event));
        break;
      default:
        event satisfies never;
    }
  }
}

function gapText(gap: { room: string; reason: string; missedCount: number }): string {
  const count = gap.missedCount > 0 ? `${gap.missedCount} messages` : "an unknown number";
  return `${count} in ${gap.room} (${gap.reason})`;
}
