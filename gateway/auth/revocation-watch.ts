/**
 * A revocation reaches the connections that are open: those it is for are told, and closed soon
 * after, unless they have shown another token meanwhile.
 *
 * All connections are looked at, in slices; revocations that come meanwhile are looked for in one
 * more round. What waits to be closed is a list with one timer, not a timer for each.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Unsubscribe } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { type Connection, Phase } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import type { Identity } from "../identity.ts";
import { encodeServerFrame } from "../server-frames.ts";

/**
 * From the hint to the close, ms: time for a Refresh, and with it a revocation still is in effect
 * within a second.
 */
export const REVOKED_GRACE_MS = 600;
/** Connections looked at in one turn of the loop: each costs less than a microsecond. */
const LOOK_COUNT = 2000;
/** A connection that is told costs as much as so many that are only looked at. */
const TELL_COST = 20;
/** How often it is looked for those that are to be closed, ms. */
const CLOSE_LOOK_MS = 50;

/** The sentence of a refusal. */
const revoked = "the token is revoked; sign in again";

/** @throws {CodedError} `TOKEN_REVOKED`. */
export function refuseRevoked({ revocations, clock }: GatewayContext, identity: Identity): void {
  if (!revocations.isRevoked(identity, clock.nowUs() / 1000)) return;
  throw new CodedError("TOKEN_REVOKED", revoked);
}

/** Applies each revocation to all that are open; call what it returns to end that. */
export function followRevocations(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
): Unsubscribe {
  const watch = new RevocationWatch(context, connections);
  return () => watch.close();
}

class RevocationWatch {
  readonly #context: GatewayContext;
  readonly #connections: ReadonlySet<Connection>;
  /** Told, and when they are closed, by performance.now(). In that order. */
  readonly #told = new Map<Connection, number>();
  #timer: NodeJS.Timeout | null = null;
  #isStale = false;
  #isRunning = false;
  #isClosed = false;

  constructor(context: GatewayContext, connections: ReadonlySet<Connection>) {
    this.#context = context;
    this.#connections = connections;
    context.revocations.follow(() => this.#begin());
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #begin(): void {
    this.#isStale = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Several that come together are one round.
    setImmediate(() => {
      this.#run()
        .catch((error: unknown) => {
          this.#context.log.error({ error }, "revocations were not applied");
        })
        .finally(() => {
          this.#isRunning = false;
        });
    });
  }

  async #run(): Promise<void> {
    let cost = 0;
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      const closeMs = performance.now() + REVOKED_GRACE_MS;
      for (const connection of this.#connections) {
        if (cost >= LOOK_COUNT) {
          await nextTurn();
          cost = 0;
        }
        if (this.#isClosed) return;
        cost += this.#tell(connection, closeMs) ? TELL_COST : 1;
      }
    }
  }

  /** Tells one that is revoked. @returns whether it is. */
  #tell(connection: Connection, closeMs: number): boolean {
    if (this.#told.has(connection) || !this.#isRevoked(connection)) return false;
    this.#told.set(connection, closeMs);
    const value = { expiresInMs: REVOKED_GRACE_MS, revoked: true };
    this.#context.sender.send(connection, encodeServerFrame({ $case: "tokenExpiring", value }));
    this.#timer ??= setInterval(() => this.#closeTold(), CLOSE_LOOK_MS).unref();
    return true;
  }

  #closeTold(): void {
    const nowMs = performance.now();
    let cost = 0;
    for (const [connection, closeMs] of this.#told) {
      if (closeMs > nowMs || cost >= LOOK_COUNT) return;
      cost += TELL_COST;
      this.#told.delete(connection);
      if (!this.#isRevoked(connection)) continue; // it has another token, or the revocation is gone
      this.#context.sender.close(connection, new CodedError("TOKEN_REVOKED", revoked));
    }
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #isRevoked({ identity, phase }: Connection): boolean {
    if (identity === null || phase !== Phase.OPEN) return false; // Hello is judged at its end
    const { revocations, clock } = this.#context;
    return revocations.isRevoked(identity, clock.nowUs() / 1000);
  }
}
