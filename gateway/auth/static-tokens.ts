/**
 * Tokens listed in a file: `{"tokens": [{"token", "tenant", "user", "grants": [{"rooms", "can"}],
 * "attributes"}]}`.
 *
 * `tenant` defaults to "default", `grants` to everything but "manage".
 */
import { createHash } from "node:crypto";
import { CodedError } from "../../proto/coded-error.ts";
import type { Identity } from "../identity.ts";
import type { Authenticate } from "./authenticate.ts";
import { readIdentity } from "./claims.ts";

/** Characters of a token at least: fewer could be guessed. */
const tokenCharsMin = 16;

/** By the hash of each token: a lookup's time tells nothing about the tokens. */
export type StaticTokens = ReadonlyMap<string, Identity>;

/**
 * Takes the tokens of a file.
 *
 * @param json text of the file.
 * @throws {CodedError} `OPTION_INVALID` naming the entry and the fault.
 */
export function readStaticTokens(json: string): StaticTokens {
  const identities = new Map<string, Identity>();
  for (const [index, entry] of readTokenEntries(json).entries()) {
    const where = `tokens[${index}]`;
    if (typeof entry.token !== "string" || entry.token.length < tokenCharsMin) {
      const detail = `${where}.token must be a string of ${tokenCharsMin} or more`;
      throw new CodedError("OPTION_INVALID", detail);
    }
    const hash = hashToken(entry.token);
    if (identities.has(hash)) {
      throw new CodedError("OPTION_INVALID", `${where}.token stands in an earlier entry too`);
    }
    identities.set(hash, { ...readIdentity(entry, where), anchor: hash });
  }
  return identities;
}

/** The identity of a token. @throws {CodedError} `TOKEN_INVALID`. */
export function findStaticToken(tokens: StaticTokens, token: string): Identity {
  const identity = tokens.get(hashToken(token));
  if (identity === undefined) throw new CodedError("TOKEN_INVALID", "the token is not known");
  return identity;
}

/** Tokens that never change. @throws {CodedError} as {@link readStaticTokens}. */
export function authenticateStatic(json: string): Authenticate {
  const tokens = readStaticTokens(json);
  return (token) => findStaticToken(tokens, token);
}

function readTokenEntries(json: string): Record<string, unknown>[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new CodedError("OPTION_INVALID", "AUTH_TOKENS_FILE is not JSON", error);
  }
  const tokens = (parsed as { tokens?: unknown } | null)?.tokens;
  if (!Array.isArray(tokens) || tokens.some((entry) => typeof entry !== "object" || !entry)) {
    throw new CodedError("OPTION_INVALID", 'AUTH_TOKENS_FILE needs {"tokens": [{…}, …]}');
  }
  return tokens as Record<string, unknown>[];
}

function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}
