/**
 * Who a proven certificate or token speaks for.
 *
 * Pure. A certificate says it by its subject: CN is the principal, OU the role. A token says it by
 * its claims: `sub` and `tidegate_role`, a name of our own, so that a token which was issued for
 * something else, with roles of something else, opens nothing here. For a gateway the principal is
 * its GATEWAY_ID, and it may speak for no other.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { type Caller, OPERATING_ROLES, type Role } from "./caller.ts";

/** Claim of a token that names the role. */
export const ROLE_CLAIM = "tidegate_role";
/** Characters of a principal: it stands in every audit entry. */
export const PRINCIPAL_CHARS_MAX = 128;

const roles: readonly string[] = [...OPERATING_ROLES, "gateway"];
const gatewayId = /^[a-z0-9-]{1,32}$/;

/** What is read of a client certificate, in the words of node:tls. */
export interface CertificateFacts {
  readonly subject: Readonly<Record<string, unknown>>;
  /** When it ends, as OpenSSL writes it. */
  readonly valid_to: string;
}

/**
 * Who shows a certificate that the authority vouches for.
 *
 * @param nowMs since 1970-01-01 UTC: a connection may outlive its certificate.
 * @throws {CodedError} `CREDENTIALS_INVALID`.
 */
export function callerOfCertificate(
  certificate: CertificateFacts,
  peer: string,
  nowMs: number,
): Caller {
  const { CN, OU } = certificate.subject;
  const what = "the client certificate";
  if (!(Date.parse(certificate.valid_to) > nowMs)) {
    throw refusal(`${what} was valid until ${certificate.valid_to}`);
  }
  return makeCaller(what, { principal: CN, principalIn: "CN", role: OU, roleIn: "OU" }, peer);
}

/**
 * Who shows a token whose signature, times, issuer and audience are right.
 *
 * @throws {CodedError} `CREDENTIALS_INVALID`.
 */
export function callerOfClaims(claims: Readonly<Record<string, unknown>>, peer: string): Caller {
  const words = { principal: claims.sub, principalIn: "sub", role: claims[ROLE_CLAIM] };
  return makeCaller("the token", { ...words, roleIn: ROLE_CLAIM }, peer);
}

interface Words {
  readonly principal: unknown;
  readonly principalIn: string;
  readonly role: unknown;
  readonly roleIn: string;
}

function makeCaller(what: string, words: Words, peer: string): Caller {
  const { principal, principalIn, role, roleIn } = words;
  if (!isRole(role)) {
    const found = role === undefined ? "none" : JSON.stringify(role)?.slice(0, 60);
    throw refusal(`${what} has no role: ${roleIn} must be ${roles.join(", ")}, and is ${found}`);
  }
  if (typeof principal !== "string" || !isPrincipal(principal)) {
    const bounds = `1 to ${PRINCIPAL_CHARS_MAX} printable characters`;
    throw refusal(`${what} says not who it is of: ${principalIn} must be ${bounds}`);
  }
  if (role !== "gateway") return { principal, role, gatewayId: null, peer };
  if (gatewayId.test(principal)) return { principal, role, gatewayId: principal, peer };
  throw refusal(`${what} is of a gateway, so ${principalIn} must be a GATEWAY_ID: [a-z0-9-]{1,32}`);
}

function isRole(role: unknown): role is Role {
  return typeof role === "string" && roles.includes(role);
}

function isPrincipal(text: string): boolean {
  return text.length >= 1 && text.length <= PRINCIPAL_CHARS_MAX && !/\p{Cc}/u.test(text);
}

function refusal(detail: string): CodedError {
  return new CodedError("CREDENTIALS_INVALID", detail);
}
