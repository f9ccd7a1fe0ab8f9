/**
 * `tidegatectl history`: prints what a durable room has stored, oldest first.
 */
import type { Client, HistoryPage } from "../sdk/typescript/index.ts";
import { type Context, print, type Target } from "./context.ts";
import { withGateway } from "./gateway-client.ts";
import { formatMessage, type MessageFormat } from "./message-text.ts";

/** Options of `history`. */
export interface HistoryOptions {
  readonly isJson: boolean;
  readonly hasPosition: boolean;
  /** The newest messages before this position, or empty for the newest of all. */
  readonly before: string;
  /** Messages wanted, 1 or more; Infinity for all. */
  readonly limit: number;
}

/** Messages of one page. */
const pageMax = 500;

/** Prints up to `limit` messages. */
export async function history(
  context: Context,
  target: Target,
  version: string,
  room: string,
  options: HistoryOptions,
): Promise<void> {
  const format: MessageFormat = {
    isJson: options.isJson,
    hasPosition: options.hasPosition,
    hasRoom: false,
    isEscaped: context.isTerminal,
  };
  await withGateway(context, target, { version }, "close", async (client) => {
    // First only where the pages are, newest to oldest, then the pages themselves, oldest to
    // newest: a room can hold more than memory does.
    const places = await findPages(context, client, room, options);
    for (const { before, limit, page } of places.toReversed()) {
      const { messages } = page ?? (await readPage(client, room, before, limit));
      for (const message of messages) {
        if (context.signal.aborted) return;
        await print(context, formatMessage(message, format));
      }
    }
  });
}

/** One page to print. */
interface Place {
  readonly before: string;
  readonly limit: number;
  /** Its messages, if it is the only one. */
  readonly page: HistoryPage<Uint8Array> | null;
}

async function findPages(
  context: Context,
  client: Client,
  room: string,
  options: HistoryOptions,
): Promise<Place[]> {
  const places: Place[] = [];
  let before = options.before;
  let left = options.limit;
  while (left > 0 && !context.signal.aborted) {
    const limit = Math.min(left, pageMax);
    const page = await readPage(client, room, before, limit);
    const isOnly = places.length === 0 && (!page.hasMore || page.messages.length >= left);
    places.push({ before, limit: page.messages.length, page: isOnly ? page : null });
    left -= page.messages.length;
    const oldest = page.messages[0]?.position ?? null;
    if (!page.hasMore || oldest === null) break;
    before = oldest;
  }
  return places.filter((place) => place.limit > 0);
}

function readPage(
  client: Client,
  room: string,
  before: string,
  limit: number,
): Promise<HistoryPage<Uint8Array>> {
  return client.history(room, before === "" ? { limit } : { before, limit });
}
