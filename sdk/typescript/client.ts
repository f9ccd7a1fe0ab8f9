/**
 * The client as its users see it: join rooms, publish, read history, watch the connection.
 */
import { bytes as bytesCodec, type Codec } from "./codec.ts";
import { TidegateError } from "./error.ts";
import type { HistoryOptions, HistoryPage } from "./history.ts";
import { JOIN_HISTORY_MAX, Membership } from "./membership.ts";
import { type ConnectOptions, checkNumber, validateLimits, validateUrl } from "./options.ts";
import { type Position, parsePosition } from "./position.ts";
import type { PublishResult } from "./publish-queue.ts";
import { JoinedRoom, type PublishOptions, type Room } from "./room.ts";
import { SDK_VERSION, Session } from "./session.ts";
import type { ClientStatus, Runtime } from "./session-setup.ts";
import { publishValue, readPage } from "./value.ts";
import type { VersionMismatch } from "./version.ts";

/** How to join a room. */
export interface JoinOptions<T> {
  /**
   * Newest stored messages to begin with, 0 to 500; default 0. With `after`, only when that
   * position is not in the history any more.
   */
  readonly history?: number;
  /** Resume: exactly the messages after this position follow, or a gap event says otherwise. */
  readonly after?: Position;
  /** Of this room's payloads; default that of the client. */
  readonly codec?: Codec<T>;
  /** Instead of the client's `roomQueueCountMax`. */
  readonly queueCountMax?: number;
  /** Instead of the client's `roomQueueBytesMax`. */
  readonly queueBytesMax?: number;
}

/** Options of a call that takes the client's own codec. */
type Plain<O> = O & { readonly codec?: undefined };
/** Options of a call that brings its own codec. */
type Coded<O, U> = O & { readonly codec: Codec<U> };
type AnyCodec<O> = O & { readonly codec?: Codec<unknown> | undefined };

/** A connection to a fleet of gateways, by `connect`. `T` is what its codec reads and writes. */
export class Client<T = Uint8Array> {
  readonly #session: Session;
  readonly #codec: Codec<unknown>;
  readonly #limits: ReturnType<typeof validateLimits>;
  readonly #signal: AbortSignal | undefined;

  /** Use `connect`. */
  constructor(url: string, options: ConnectOptions<T>, runtime: Runtime) {
    this.#limits = validateLimits(options);
    this.#codec = (options.codec ?? bytesCodec) as Codec<unknown>;
    this.#signal = options.signal;
    this.#session = new Session({
      url: validateUrl(url),
      token: options.token ?? "",
      attributes: options.attributes ?? {},
      region: options.region ?? "",
      flags: options.flags,
      tracing: options.tracing,
      build: options.build ?? { name: "tidegate-ts", version: SDK_VERSION },
      limits: this.#limits,
      runtime,
    });
  }

  /** Dials; resolves after the first Welcome. Called once, by `connect`. */
  async open(): Promise<void> {
    if (this.#signal?.aborted) throw new TidegateError("CLOSED", "aborted by its signal");
    this.#signal?.addEventListener("abort", () => void this.close(), { once: true });
    await this.#session.open();
  }

  /** What it is doing now. */
  get status(): ClientStatus {
    return this.#session.status;
  }

  /** Calls back after every change of status, in a later turn. Returns how to stop. */
  onStatus(listener: (status: ClientStatus) => void): () => void {
    return this.#session.statuses.on(listener);
  }

  /** Calls back with errors that no promise waits for: of publishes without an answer. */
  onError(listener: (error: TidegateError) => void): () => void {
    return this.#session.errors.on(listener);
  }

  /**
   * What a version gate last said of this build as a whole, or null; `VERSION_REFUSED` of `connect`
   * has it in its error.
   */
  get versionMismatch(): VersionMismatch | null {
    return this.#session.versionMismatch;
  }

  /** Calls back with whatever a version gate says, also of single rooms. Returns how to stop. */
  onVersionMismatch(listener: (mismatch: VersionMismatch) => void): () => void {
    return this.#session.mismatches.on(listener);
  }

  /**
   * Joins a room; resolves once the gateway has let us in. While disconnected it waits.
   *
   * @throws {TidegateError} `ALREADY_JOINED`, `ROOM_NAME_INVALID`, `ROOM_CLASS_UNKNOWN`,
   *   `PERMISSION_DENIED`, `ROOM_LIMIT`, `REQUEST_INVALID` for a bad position or number.
   */
  join(room: string, options?: Plain<JoinOptions<T>>): Promise<Room<T>>;
  join<U>(room: string, options: Coded<JoinOptions<U>, U>): Promise<Room<U>>;
  async join(room: string, options: JoinOptions<unknown> = {}): Promise<Room<unknown>> {
    this.#session.throwIfClosed();
    const { history = 0, after, queueCountMax, queueBytesMax } = options;
    if (this.#session.rooms.has(room)) {
      throw new TidegateError("ALREADY_JOINED", `${room} is joined by this client already`);
    }
    checkNumber("REQUEST_INVALID", "history", history, 0, JOIN_HISTORY_MAX);
    const place = after === undefined ? null : parsePosition(after);
    const limits = validateLimits({
      roomQueueCountMax: queueCountMax ?? this.#limits.roomQueueCountMax,
      roomQueueBytesMax: queueBytesMax ?? this.#limits.roomQueueBytesMax,
    });
    return await new Promise((resolve, reject) => {
      const joined: JoinedRoom<unknown> = new JoinedRoom(this.#session, {
        name: room,
        codec: options.codec ?? this.#codec,
        membership: new Membership(history, place),
        queueCountMax: limits.roomQueueCountMax,
        queueBytesMax: limits.roomQueueBytesMax,
        onOpen: (error) => (error === null ? resolve(joined) : reject(error)),
      });
      this.#session.rooms.add(joined);
    });
  }

  /** Publishes without joining. Otherwise as `publish` of a room. */
  publish(room: string, value: T, options?: Plain<PublishOptions>): Promise<PublishResult>;
  publish<U>(room: string, value: U, options: Coded<PublishOptions, U>): Promise<PublishResult>;
  publish(
    room: string,
    value: unknown,
    options: AnyCodec<PublishOptions> = {},
  ): Promise<PublishResult> {
    return publishValue(this.#session, room, value, options.codec ?? this.#codec, options.ack);
  }

  /**
   * Reads a page of a durable room, joined or not.
   *
   * @throws {TidegateError} `NOT_DURABLE`, `PERMISSION_DENIED`, `REQUEST_INVALID`, `UNAVAILABLE`.
   */
  history(room: string, options?: Plain<HistoryOptions>): Promise<HistoryPage<T>>;
  history<U>(room: string, options: Coded<HistoryOptions, U>): Promise<HistoryPage<U>>;
  history(room: string, options: AnyCodec<HistoryOptions> = {}): Promise<HistoryPage<unknown>> {
    return readPage(this.#session, room, options.codec ?? this.#codec, options);
  }

  /** Round trip to the gateway, milliseconds. `UNAVAILABLE` while not connected. */
  ping(): Promise<number> {
    return this.#session.ping();
  }

  /** Cuts the TCP connection, as a network would: for demonstrations and tests. */
  dropConnection(): void {
    this.#session.drop();
  }

  /**
   * Ends everything: rooms' loops end, unanswered publishes reject (`OUTCOME_UNKNOWN` when they
   * were written, else `CLOSED`). Await publishes first. Resolves when the connection has ended.
   */
  close(): Promise<void> {
    return this.#session.close();
  }
}
