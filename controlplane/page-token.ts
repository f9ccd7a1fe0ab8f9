/**
 * Page tokens: where a listing goes on, bound to what was listed.
 *
 * Pure. A token is opaque to callers, but carries a checksum of the request it continues: handing
 * it to another parent or room is a mistake that would otherwise show as a hole in the data.
 */
import { createHash } from "node:crypto";
import { InvalidFieldsError } from "./invalid-fields.ts";

const version = "1";
/** Characters of the longest token we write; longer ones are not ours. */
const tokenCharsMax = 256;

/**
 * Makes a token.
 *
 * @param scope what is listed: method, parent, room.
 * @param place where the next page starts; no spaces.
 */
export function encodePageToken(scope: readonly string[], place: readonly string[]): string {
  return Buffer.from([version, checksum(scope), ...place].join(" ")).toString("base64url");
}

/**
 * Reads a token back.
 *
 * @returns its place, or null for the empty token: the first page.
 * @throws {InvalidFieldsError} `REQUEST_INVALID` when it is not a token of this listing.
 */
export function decodePageToken(scope: readonly string[], token: string): string[] | null {
  if (token === "") return null;
  if (token.length <= tokenCharsMax) {
    const [found, sum, ...place] = Buffer.from(token, "base64url").toString().split(" ");
    if (found === version && sum === checksum(scope) && place.length > 0) return place;
  }
  throw badPageToken();
}

/** The refusal of a token that is not one of this listing. */
export function badPageToken(): InvalidFieldsError {
  const description = "not a next_page_token of this listing; repeat the request without it";
  return new InvalidFieldsError([{ field: "page_token", description }]);
}

function checksum(scope: readonly string[]): string {
  return createHash("sha256").update(scope.join("\0")).digest("base64url").slice(0, 8);
}
