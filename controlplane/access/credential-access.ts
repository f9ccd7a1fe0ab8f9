/**
 * Who calls, by the bearer token of the call or the client certificate of its connection.
 *
 * A token counts more than a certificate, since a proxy or a service mesh has one of its own; a bad
 * token is refused also when there is a good certificate.
 */
import { createHash, randomBytes } from "node:crypto";
import { CodedError } from "../../proto/coded-error.ts";
import type { Access, CallFacts } from "./access.ts";
import type { Caller } from "./caller.ts";
import { type CertificateFacts, callerOfCertificate, callerOfClaims } from "./caller-of.ts";
import type { VerifyToken } from "./verify-token.ts";

/** What proves who one is. */
export interface CredentialParts {
  /** The way to check tokens now, or null where there are none. */
  readonly verifier: () => VerifyToken | null;
  /** Whether connections ask for client certificates. */
  readonly takesCertificates: boolean;
  /** Id of the gateway in this very process; empty: there is none. */
  readonly ownGatewayId: string;
}

export class CredentialAccess implements Access {
  readonly #parts: CredentialParts;
  /** For the gateway of this process alone, made anew at each start; empty without one. */
  readonly ownToken: string;
  readonly #ownHash: string;

  constructor(parts: CredentialParts) {
    this.#parts = parts;
    this.ownToken = parts.ownGatewayId === "" ? "" : `own.${randomBytes(32).toString("base64url")}`;
    this.#ownHash = hashOf(this.ownToken);
  }

  async identify(call: CallFacts): Promise<Caller> {
    const peer = call.getPeer();
    const token = bearerToken(call);
    if (token !== null) return this.#callerOfToken(token, peer);
    const { takesCertificates } = this.#parts;
    const certificate = takesCertificates ? call.getAuthContext()?.sslPeerCertificate : undefined;
    if (certificate !== undefined) {
      return callerOfCertificate(certificate as unknown as CertificateFacts, peer, Date.now());
    }
    throw new CodedError("CREDENTIALS_INVALID", this.#missing());
  }

  async #callerOfToken(token: string, peer: string): Promise<Caller> {
    // Hashes are compared, so that the time says nothing of the token.
    if (this.ownToken !== "" && hashOf(token) === this.#ownHash) {
      const { ownGatewayId } = this.#parts;
      return { principal: ownGatewayId, role: "gateway", gatewayId: ownGatewayId, peer };
    }
    const verify = this.#parts.verifier();
    if (verify !== null) return callerOfClaims(await verify(token), peer);
    throw new CodedError(
      "CREDENTIALS_INVALID",
      "tokens are not taken here, only client certificates",
    );
  }

  #missing(): string {
    const { verifier, takesCertificates } = this.#parts;
    if (verifier() === null) return "the connection shows no client certificate that is trusted";
    const token = 'the call has no token ("authorization: Bearer …")';
    return takesCertificates ? `${token}, and its connection no trusted certificate` : token;
  }
}

/** The token of a call; null when it has none. */
function bearerToken({ metadata }: CallFacts): string | null {
  const [value, ...rest] = metadata.get("authorization");
  if (value === undefined) return null;
  const token = /^Bearer +(\S+)$/i.exec(String(value))?.[1];
  if (token !== undefined && rest.length === 0) return token;
  const detail = 'the metadata "authorization" must be one "Bearer <token>"';
  throw new CodedError("CREDENTIALS_INVALID", detail);
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}
