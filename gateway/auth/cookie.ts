/**
 * A token in a cookie, for web pages whose server keeps the user signed in.
 *
 * Pure. A browser sends cookies whichever page opens the socket, so one counts only where the
 * Origin is ours or listed by name: else any page could speak as its visitor.
 */

/** What is known of an upgrade request; empty for a header that is not there. */
export interface CookieRequest {
  readonly host: string;
  readonly origin: string;
  readonly cookie: string;
}

/**
 * The token of a request; empty when it has none that counts.
 *
 * @param name of the cookie; empty: none counts.
 * @param allowedOrigins as in the options; "*" vouches for nobody.
 */
export function cookieToken(
  { host, origin, cookie }: CookieRequest,
  name: string,
  allowedOrigins: readonly string[],
): string {
  if (name === "" || cookie === "" || origin === "") return "";
  const from = origin.toLowerCase();
  const own = host.toLowerCase();
  const isOwn = from === `https://${own}` || from === `http://${own}`;
  if (!isOwn && !allowedOrigins.some((allowed) => allowed.toLowerCase() === from)) return "";
  for (const pair of cookie.split(";")) {
    const at = pair.indexOf("=");
    // The first of several is the one of the narrowest path (RFC 6265 section 5.4).
    if (at > 0 && pair.slice(0, at).trim() === name) {
      return pair
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1");
    }
  }
  return "";
}
