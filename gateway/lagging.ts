/**
 * Slow members: off the fast lane when their socket is over its limit, back when it has drained.
 *
 * uWebSockets.js tells us the first frame it drops; PublishLog turns it into the exact place in
 * every room of that socket. The topics themselves are left a moment later, outside of uWS's own
 * loop over subscribers, where leaving would break it ("the drain callback must not publish,
 * unsubscribe or subscribe", TopicTree.h). Until then every frame to the socket is refused, since
 * only our own sends and the drain event can make room, and both detach first.
 */
import { CodedError } from "../proto/coded-error.ts";
import { SlowMemberPolicy } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { type Connection, findMembership, MemberState } from "./connection.ts";
import type { PublishLog } from "./publish-log.ts";
import { readFrameMark } from "./server-frames.ts";

/** A connection that is behind. */
export interface SlowConnection {
  readonly connection: Connection;
  /** When its socket was over its limit, by performance.now(). */
  readonly sinceMs: number;
}

export class Lagging {
  readonly #log: PublishLog;
  readonly #disconnect: (connection: Connection, error: CodedError) => void;
  /** Connections that still are subscribed to topics they must leave. */
  readonly #attached = new Set<Connection>();
  /** Connections that are behind, and since when; in that order. */
  readonly #behindSinceMs = new Map<Connection, number>();
  /** Times a socket left the fast lane. */
  count = 0;

  /** @param disconnect closes a connection; called outside of uWS's callbacks. */
  constructor(log: PublishLog, disconnect: (connection: Connection, error: CodedError) => void) {
    this.#log = log;
    this.#disconnect = disconnect;
  }

  /**
   * uWS has dropped `frame` for the connection. Runs inside uWS's loop: no socket call here.
   *
   * @returns whether it is taken off the fast lane now.
   */
  onDropped(connection: Connection, frame: Uint8Array): boolean {
    if (connection.isLagging) return false;
    const { alias, seq } = readFrameMark(frame);
    // Only topics feed live members; what we send ourselves is looked after by its sender.
    if (findMembership(connection, alias)?.state !== MemberState.LIVE) return false;
    connection.isLagging = true;
    this.#behindSinceMs.set(connection, performance.now());
    this.count += 1;
    const places = seq === 0 ? null : this.#log.placesBeforeLoss(alias, seq);
    let isToDisconnect = places === null;
    for (const membership of connection.memberships) {
      if (membership.state !== MemberState.LIVE) continue;
      const { room } = membership;
      const place = places?.get(room.alias);
      membership.state = MemberState.LAGGING;
      membership.lossCount = room.lossCount; // said in frames before the dropped one
      membership.sent = place === undefined ? room.place : place.position;
      membership.countAtLag = place === undefined ? room.ephemeralCount : place.count;
      if (room.policy.slowMemberPolicy === SlowMemberPolicy.DISCONNECT) isToDisconnect = true;
    }
    this.#attached.add(connection);
    setImmediate(() => {
      this.detach(connection);
      if (isToDisconnect) this.#disconnect(connection, slowConsumer());
    });
    return true;
  }

  /** Leaves the topics of a lagging connection; harmless for others. */
  detach(connection: Connection): void {
    if (this.#attached.size === 0 || !this.#attached.delete(connection)) return;
    for (const membership of connection.memberships) {
      if (membership.state === MemberState.LAGGING) {
        connection.socket?.unsubscribe(membership.room.topic);
      }
    }
  }

  /** Before a publish: detaches all, so that nothing slips to a socket that lags. */
  detachAll(): void {
    if (this.#attached.size === 0) return;
    for (const connection of [...this.#attached]) this.detach(connection);
  }

  /** The socket has taken what it was owed. */
  end(connection: Connection): void {
    connection.isLagging = false;
    this.#behindSinceMs.delete(connection);
  }

  /** Connections that are behind now. */
  get behindCount(): number {
    return this.#behindSinceMs.size;
  }

  /** These, longest first. */
  *behind(): Generator<SlowConnection> {
    for (const [connection, sinceMs] of this.#behindSinceMs) yield { connection, sinceMs };
  }

  /** The connection is gone. */
  forget(connection: Connection): void {
    this.#attached.delete(connection);
    this.#behindSinceMs.delete(connection);
  }
}

function slowConsumer(): CodedError {
  return new CodedError("SLOW_CONSUMER", "the connection reads too slowly; resume by position");
}
