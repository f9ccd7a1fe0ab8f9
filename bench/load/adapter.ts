/**
 * What differs between the systems under test: how to join, and what a publish looks like.
 *
 * An adapter builds frames once, before the measurement; the generator only stamps and sends them.
 */

/** Next step of a connection that is opening. */
export type Step =
  | { readonly kind: "send"; readonly frame: Buffer }
  /** Joined; `alias` is what the system calls the room on this connection. */
  | { readonly kind: "joined"; readonly alias: number }
  | { readonly kind: "ignore" }
  | { readonly kind: "failed"; readonly reason: string };

export interface Adapter {
  /** Subprotocol to offer; empty for none. */
  readonly subprotocol: string;
  /**
   * First frame after the upgrade.
   *
   * @param token empty for none.
   */
  hello(token: string): Buffer;
  /** Answers a frame that is not a delivery. */
  onFrame(content: Uint8Array, roomName: string): Step;
  /**
   * A publish that asks for no ack, ending with `payload`.
   *
   * @param alias of {@link Step}.
   */
  publishFrame(alias: number, payload: Buffer): Buffer;
}
