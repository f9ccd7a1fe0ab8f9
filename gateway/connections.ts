/**
 * The life of connections: opened, greeted in time, drained, closed, and all told to go at the end.
 */

import { CodedError } from "../proto/coded-error.ts";
import { GapReason } from "../proto/gen/tidegate/client/v1/message.ts";
import { SlowMemberPolicy } from "../proto/gen/tidegate/control/v1/room_class.ts";
import {
  type Connection,
  MemberState,
  type Membership,
  newConnection,
  Phase,
  removeMembership,
  type Socket,
} from "./connection.ts";
import type { GatewayContext } from "./context.ts";
import type { Lagging } from "./lagging.ts";
import { LimitError } from "./limit-error.ts";

/** How often connections without Hello are looked for, ms. */
const GREETING_SWEEP_MS = 250;
/** A stop waits this long for clients to close, ms, then cuts them. */
export const CLOSE_WAIT_MS = 1000;

export class Connections {
  readonly #context: GatewayContext;
  readonly #lagging: Lagging;
  readonly #open = new Set<Connection>();
  /** In the order of their deadlines; closed ones are skipped. */
  #greeting: { connection: Connection; deadlineUs: number }[] = [];
  readonly #sweep: NodeJS.Timeout;
  #number = 0;
  #openedCount = 0;
  #onEmpty: (() => void) | null = null;

  constructor(context: GatewayContext, lagging: Lagging) {
    this.#context = context;
    this.#lagging = lagging;
    this.#sweep = setInterval(() => this.#closeSilent(), GREETING_SWEEP_MS).unref();
  }

  get count(): number {
    return this.#open.size;
  }

  /** Connections opened since the start, also those that were refused. */
  get openedCount(): number {
    return this.#openedCount;
  }

  all(): ReadonlySet<Connection> {
    return this.#open;
  }

  /**
   * State for an upgrade that is about to become a connection.
   *
   * @param address as a trusted proxy tells it; else empty.
   * @param cookieToken of its cookie, where that counts; else empty.
   */
  create(address: string, cookieToken: string): Connection {
    this.#number += 1;
    return newConnection(this.#number, address, cookieToken);
  }

  onOpen(connection: Connection, socket: Socket): void {
    const { options, clock } = this.#context;
    connection.socket = socket;
    this.#open.add(connection);
    this.#openedCount += 1;
    if (this.#open.size > options.connectionCountMax) {
      this.#sendElsewhere(connection);
      return;
    }
    const deadlineUs = clock.nowUs() + options.handshakeMs * 1000;
    this.#greeting.push({ connection, deadlineUs });
  }

  /** This gateway is full: says where there is room, if that is known, and closes. */
  #sendElsewhere(connection: Connection): void {
    const { options, redirects, sender } = this.#context;
    redirects.tell(sender, connection);
    const max = options.connectionCountMax;
    const detail = `this gateway holds ${max} connections, its limit`;
    const limit = "connections-per-gateway";
    sender.close(connection, new LimitError("TOO_MANY_CONNECTIONS", limit, max, detail));
  }

  /** @param code of the WebSocket close; 1006 for none. */
  onClose(connection: Connection, code: number): void {
    connection.phase = Phase.CLOSED;
    this.#context.journal.closed(connection, code);
    this.#context.connectionLog.debug(connection, { code }, "client gone");
    this.#context.seats.close(connection, isFinalClose(code));
    this.#context.guards.rates.release(connection);
    connection.socket = null;
    this.#context.meters.clients.closedCount += 1;
    this.#open.delete(connection);
    this.#lagging.forget(connection);
    this.#context.sender.forget(connection);
    this.#context.tokenWatch.forget(connection);
    for (const membership of [...connection.memberships]) {
      removeMembership(membership);
      this.#context.rooms.release(membership.room);
    }
    if (this.#open.size === 0) this.#onEmpty?.();
  }

  /** uWebSockets.js has dropped a frame; runs inside its loop over subscribers. */
  onDropped(connection: Connection, frame: Uint8Array): void {
    if (this.#lagging.onDropped(connection, frame)) this.#context.journal.skipped(connection);
  }

  /** The socket has taken some of what it was owed. */
  onDrain(connection: Connection): void {
    this.#lagging.detach(connection);
    const { sender, options } = this.#context;
    const buffered = connection.socket?.getBufferedAmount() ?? 0;
    if (buffered > options.backpressureBytesMax / 2) return;
    sender.flush(connection);
    if (sender.isHolding(connection)) return; // the next drain goes on; nothing may overtake
    this.#lagging.end(connection);
    for (const membership of connection.memberships) {
      if (membership.state === MemberState.WAITING) this.#context.catchUp.start(membership);
      else if (membership.state === MemberState.LAGGING) this.#resume(membership);
    }
  }

  /** For good: tells everyone to go, and waits until they have, or {@link CLOSE_WAIT_MS}. */
  async closeAll(): Promise<void> {
    clearInterval(this.#sweep);
    await this.closeRest("the gateway is stopping; connect again");
  }

  /** Closes everyone (SERVER_STOPPING), and waits as {@link closeAll} does. */
  async closeRest(detail: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    for (const connection of [...this.#open]) {
      this.#context.sender.close(connection, new CodedError("SERVER_STOPPING", detail));
    }
    if (this.#open.size === 0) resolve();
    const timer = setTimeout(resolve, CLOSE_WAIT_MS);
    await promise;
    clearTimeout(timer);
    for (const connection of [...this.#open]) connection.socket?.close();
  }

  /** Back to the live messages, as the class says. */
  #resume(membership: Membership): void {
    const { catchUp, sender } = this.#context;
    const { room, connection } = membership;
    const { policy } = room;
    if (policy.isDurable && policy.slowMemberPolicy !== SlowMemberPolicy.GAP) {
      catchUp.start(membership);
      return;
    }
    const missedCount = policy.isDurable ? 0 : room.ephemeralCount - membership.countAtLag;
    const isMissing = policy.isDurable ? membership.sent !== room.place : missedCount > 0;
    if (isMissing) catchUp.sendGap(membership, GapReason.SLOW_MEMBER, missedCount, room.place);
    membership.sent = room.place;
    membership.countAtLag = room.ephemeralCount;
    if (sender.isHolding(connection)) return; // the Gap comes first
    membership.state = MemberState.LIVE;
    connection.socket?.subscribe(room.topic);
  }

  #closeSilent(): void {
    const nowUs = this.#context.clock.nowUs();
    const isDue = (entry: { deadlineUs: number }) => entry.deadlineUs <= nowUs;
    if (!this.#greeting.some(isDue)) return;
    const due = this.#greeting.filter(isDue);
    this.#greeting = this.#greeting.filter((entry) => !isDue(entry));
    for (const { connection } of due) {
      if (connection.socket === null || connection.phase !== Phase.GREETING) continue;
      const detail = `no Hello within ${this.#context.options.handshakeMs} ms`;
      this.#context.sender.close(connection, new CodedError("HELLO_TIMEOUT", detail));
    }
  }
}

/**
 * Whether the client of a connection that was closed with this code will not come back: it has said
 * so, or was told so. A taken-over one has come back already, and joins its rooms elsewhere.
 */
function isFinalClose(code: number): boolean {
  return [1000, 1001, 1005, 1008].includes(code) || (code > 4500 && code <= 4999);
}
