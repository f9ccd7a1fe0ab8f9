/**
 * Session ids and the tokens that prove them.
 *
 * A session id names all seats of a client over its connections. Its token is signed with a key
 * that all gateways share, and bound to tenant and user: shown by anyone else it is worth nothing.
 * Anonymous clients of a tenant are one user here, so theirs is good for who knows it.
 * It says nothing of where seats are, so one from before the last takeover is as good.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Bus } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import type { Identity } from "../identity.ts";

/** First byte of every token: its form. */
const FORM = 1;
const SESSION_BYTES = 16;
/** Half of an HMAC-SHA256: as hard to guess as the session id itself (RFC 2104, section 5). */
const MAC_BYTES = 16;
const TOKEN_BYTES = 1 + SESSION_BYTES + MAC_BYTES;
/** Bytes of a session id that are random, anew with each start; the rest counts connections. */
const PREFIX_BYTES = 10;
/** KV key of the signing key in the bucket "control". */
const KEY_NAME = "session.key";
const KEY_BYTES = 32;

/** Whom a token is bound to. */
type Owner = Pick<Identity, "tenant" | "user" | "isAnonymous">;

/** Makes and reads the tokens of one gateway. */
export class SessionTokens {
  readonly #key: Buffer;
  readonly #prefix = randomBytes(PREFIX_BYTES);

  /** @param key shared by all gateways, 32 random bytes. */
  constructor(key: Uint8Array) {
    this.#key = Buffer.from(key);
  }

  /** Reads the gateways' key, making it when there is none. Throws `UNAVAILABLE`. */
  static async open(bus: Bus): Promise<SessionTokens> {
    const keys = await bus.keyValue(CONTROL_BUCKET);
    for (;;) {
      const entry = await keys.get(KEY_NAME);
      if (entry !== null) return new SessionTokens(entry.value);
      try {
        await keys.create(KEY_NAME, randomBytes(KEY_BYTES));
      } catch (error) {
        if (CodedError.from(error).code !== "ALREADY_EXISTS") throw error; // another was first
      }
    }
  }

  /** The session of a connection that has shown no token: made of its number, and so not kept. */
  fresh(connectionNumber: number): string {
    const bytes = Buffer.alloc(SESSION_BYTES);
    this.#prefix.copy(bytes);
    bytes.writeUIntBE(connectionNumber, PREFIX_BYTES, SESSION_BYTES - PREFIX_BYTES);
    return bytes.toString("latin1");
  }

  /** The token of a session, for Welcome. */
  make(session: string, owner: Owner): Buffer {
    const token = Buffer.alloc(TOKEN_BYTES);
    token[0] = FORM;
    token.write(session, 1, "latin1");
    this.#mac(token.subarray(0, 1 + SESSION_BYTES), owner).copy(token, 1 + SESSION_BYTES);
    return token;
  }

  /** The session of a token, or null when it is none of ours, or another's. */
  read(token: Uint8Array, owner: Owner): string | null {
    if (token.length !== TOKEN_BYTES || token[0] !== FORM) return null;
    const signed = token.subarray(0, 1 + SESSION_BYTES);
    const mac = token.subarray(1 + SESSION_BYTES);
    if (!timingSafeEqual(mac, this.#mac(signed, owner))) return null;
    return Buffer.from(signed.subarray(1)).toString("latin1");
  }

  #mac(signed: Uint8Array, { tenant, user, isAnonymous }: Owner): Buffer {
    // A token without a user's name is somebody all the same; names have no zero byte.
    const owner = isAnonymous ? `${tenant}\0\0` : `${tenant}\0${user}`;
    const hmac = createHmac("sha256", this.#key).update(signed).update(owner);
    return hmac.digest().subarray(0, MAC_BYTES);
  }
}
