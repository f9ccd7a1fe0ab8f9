/**
 * One page of a list that is read as a whole.
 *
 * Pure.
 */
import { badPageToken, decodePageToken, encodePageToken } from "./page-token.ts";

/** What a caller wants of a list. */
export interface PageWish {
  /** 0: `sizeDefault`. */
  readonly pageSize: number;
  readonly pageToken: string;
  readonly sizeDefault: number;
  /** Larger sizes are lowered to it. */
  readonly sizeMax: number;
  /** What is listed: method, parent, filters. A token is good for the same ones only. */
  readonly scope: readonly string[];
}

/** Some of a list, and how to get the rest. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/**
 * The page that begins behind the token's place. What comes or goes between two pages is listed or
 * not; nothing else is listed twice or left out.
 *
 * @param items ascending by place.
 * @param placeOf an item's place in the order, a number or a text without spaces.
 * @throws {InvalidFieldsError} `REQUEST_INVALID` for a token of another listing.
 */
export function takePage<Item, Place extends number | string>(
  items: readonly Item[],
  placeOf: (item: Item) => Place,
  wish: PageWish,
): Page<Item> {
  const { scope } = wish;
  const size = Math.min(wish.pageSize || wish.sizeDefault, wish.sizeMax);
  const left = after(items, placeOf, decodePageToken(scope, wish.pageToken));
  const taken = left.slice(0, size);
  const last = taken.at(-1);
  const hasMore = last !== undefined && left.length > size;
  const nextPageToken = hasMore ? encodePageToken(scope, [String(placeOf(last))]) : "";
  return { items: taken, nextPageToken };
}

function after<Item, Place extends number | string>(
  items: readonly Item[],
  placeOf: (item: Item) => Place,
  place: readonly string[] | null,
): readonly Item[] {
  if (place === null) return items;
  const [text = "", ...rest] = place;
  if (text === "" || rest.length > 0) throw badPageToken();
  return items.filter((item) => {
    const own = placeOf(item);
    return typeof own === "number" ? own > Number(text) : own > text;
  });
}
