/**
 * Authentication as the options want it.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { FreshFiles } from "../../proto/fresh-files.ts";
import { readJwtKeys, readKeySet } from "../../proto/jwt-key.ts";
import { systemClock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Anchors } from "./anchors.ts";
import { type Authenticate, authenticateNone } from "./authenticate.ts";
import { readClaimNames } from "./claims.ts";
import { authenticateJwt } from "./jwt.ts";
import { heldKeys, type KeySource, type KeyStatus, keyAnchors } from "./key-source.ts";
import { RemoteKeys } from "./remote-keys.ts";
import { findStaticToken, readStaticTokens } from "./static-tokens.ts";

/** What the options say. Of the key options one is set where `mode` is "jwt". */
export interface AuthOptions {
  /** "none", "static" or "jwt". */
  readonly mode: string;
  readonly tokensFile: string;
  /** PEM public keys, or a secret. */
  readonly keyFile: string;
  /** A JSON Web Key Set. */
  readonly keySetFile: string;
  /** Where an issuer has its key set. */
  readonly keySetUrl: string;
  /** Empty: any. */
  readonly issuer: string;
  /** Empty: any. */
  readonly audience: string;
  /** Names of claims, "tenant=org_id". */
  readonly claims: readonly string[];
}

/** Authentication at work. */
export interface OpenedAuth {
  readonly authenticate: Authenticate;
  /** Of the keys, for /health; null where there are none. */
  readonly keyStatus: (() => KeyStatus) | null;
  /** What tokens are good by; null where nothing is. */
  readonly anchors: Anchors | null;
  /** Follows files and issuer no more. */
  close(): void;
}

/**
 * Reads tokens or keys; files are read again when they change.
 *
 * @throws {CodedError} `OPTION_INVALID` naming the option.
 */
export function openAuthenticate(options: AuthOptions, log: Log): OpenedAuth {
  if (options.mode === "none") {
    return { authenticate: authenticateNone(), keyStatus: null, anchors: null, close: () => {} };
  }
  if (options.mode === "static") {
    const fresh = openFile("AUTH_TOKENS_FILE", options.tokensFile, readStaticTokens, log);
    const authenticate: Authenticate = (token) => findStaticToken(fresh.value, token);
    const anchors: Anchors = {
      has: (anchor) => fresh.value.has(anchor),
      follow: (listener) => fresh.follow(listener),
    };
    return { authenticate, keyStatus: null, anchors, close: () => fresh.stop() };
  }
  const { issuer, audience } = options;
  const claims = readClaimNames(options.claims);
  const source = openKeys(options, log);
  return {
    authenticate: authenticateJwt(source, { issuer, audience, claims }, systemClock),
    keyStatus: () => source.status(),
    anchors: keyAnchors(source),
    close: () => source.close(),
  };
}

function openKeys({ keyFile, keySetFile, keySetUrl }: AuthOptions, log: Log): KeySource {
  if (keySetUrl !== "") return new RemoteKeys(keySetUrl, log);
  if (keySetFile === "") {
    return heldKeys(openFile("AUTH_JWT_KEY_FILE", keyFile, readJwtKeys, log));
  }
  return heldKeys(openFile("AUTH_JWKS_FILE", keySetFile, readKeySet, log));
}

/** @throws {CodedError} `OPTION_INVALID` naming the option. */
function openFile<T>(
  option: string,
  file: string,
  read: (text: string, option: string) => T,
  log: Log,
): FreshFiles<T> {
  try {
    return new FreshFiles([file], ([text = ""]) => read(text, option), log);
  } catch (error) {
    const coded = CodedError.from(error);
    if (coded.detail.startsWith(option) || coded.code !== "OPTION_INVALID") throw error;
    throw new CodedError("OPTION_INVALID", `${option}: ${coded.detail}`, error);
  }
}
