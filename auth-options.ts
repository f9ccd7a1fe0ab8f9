/**
 * The part of the process's options that says who clients are.
 */
import type { AuthOptions } from "./gateway/auth/open-authenticate.ts";
import { choice, list, row, text } from "./option-kind.ts";
import type { OptionValues } from "./options.ts";
import { CodedError } from "./proto/coded-error.ts";
import { isTenantName } from "./proto/room-name.ts";

/** Rows of the table in options.ts. */
export const AUTH_ROWS = [
  row(
    "AUTH",
    choice("none", "static", "jwt"),
    "none",
    "Who may connect: none (loopback only), static (a token file), jwt (signed tokens).",
  ),
  row("AUTH_TOKENS_FILE", text, "", "For AUTH=static: JSON file of tokens; see docs/auth.md."),
  row("AUTH_JWT_KEY_FILE", text, "", "For AUTH=jwt: PEM public keys, or an HMAC secret."),
  row("AUTH_JWKS_FILE", text, "", "For AUTH=jwt: a JSON Web Key Set instead, of public keys."),
  row("AUTH_JWKS_URL", text, "", "For AUTH=jwt: where the issuer has its key set, https://…"),
  row("AUTH_JWT_ISSUER", text, "", "For AUTH=jwt: the iss that tokens must have; empty: any."),
  row("AUTH_JWT_AUDIENCE", text, "", "For AUTH=jwt: the aud that tokens must have; empty: any."),
  row(
    "AUTH_JWT_CLAIMS",
    list,
    "",
    "For AUTH=jwt: other names of claims, such as tenant=org_id; of tenant, user, grants, attributes.",
  ),
  row(
    "AUTH_COOKIE",
    text,
    "",
    "Cookie whose value counts as the token of a page without one, on origins we know; empty: none.",
  ),
  row(
    "ANONYMOUS_TENANT",
    text,
    "default",
    "Tenant of clients without a token, where a room class lets them in; empty: none come in.",
  ),
] as const;

/** What authentication is made of. */
export function authOptions(options: OptionValues): AuthOptions {
  return {
    mode: options.text("AUTH"),
    tokensFile: options.text("AUTH_TOKENS_FILE"),
    keyFile: options.text("AUTH_JWT_KEY_FILE"),
    keySetFile: options.text("AUTH_JWKS_FILE"),
    keySetUrl: options.text("AUTH_JWKS_URL"),
    issuer: options.text("AUTH_JWT_ISSUER"),
    audience: options.text("AUTH_JWT_AUDIENCE"),
    claims: options.list("AUTH_JWT_CLAIMS"),
  };
}

/**
 * Refuses what does not go together.
 *
 * @param read a value as it was written; empty for none.
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function checkAuth(read: (name: (typeof AUTH_ROWS)[number]["name"]) => string): void {
  const auth = read("AUTH");
  if (auth === "static" && read("AUTH_TOKENS_FILE") === "") {
    throw new CodedError("OPTION_INVALID", "AUTH is static, so AUTH_TOKENS_FILE must name a file");
  }
  const names = ["AUTH_JWT_KEY_FILE", "AUTH_JWKS_FILE", "AUTH_JWKS_URL"] as const;
  const set = names.filter((name) => read(name) !== "");
  if (auth === "jwt" && set.length !== 1) {
    const detail = `AUTH is jwt, so one of ${names.join(", ")} must be set; ${set.length} are`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  const tenant = read("ANONYMOUS_TENANT");
  if (tenant !== "" && !isTenantName(tenant)) {
    const detail = `ANONYMOUS_TENANT is ${JSON.stringify(tenant)}, must match [a-z0-9][a-z0-9-]{0,62}`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  // The characters of RFC 6265 section 4.1.1.
  if (!/^[!#$%&'*+\-.^_`|~\w]*$/.test(read("AUTH_COOKIE"))) {
    throw new CodedError("OPTION_INVALID", "AUTH_COOKIE is no name that a cookie can have");
  }
}
