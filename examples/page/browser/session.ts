/**
 * The page's own client: one connection, one room at a time, and the button that cuts it.
 *
 * Everything hard (reconnecting, resuming, retrying publishes) is the SDK's; this says when, and
 * hands on what comes. A cut lasts: new connections wait until the chosen time is over, because the
 * SDK alone would be back before anybody had looked.
 */
import {
  type Client,
  type ClientStatus,
  connect,
  type Position,
  type Room,
  type RoomEvent,
  type RoomGap,
  type RoomMessage,
  TidegateError,
} from "../../../sdk/typescript/index.ts";
import { type ChatPayload, type Payload, payloadCodec } from "./payload.ts";

/** Messages shown from before the join. */
const HISTORY_COUNT = 50;

/** A room that was joined. */
export interface RoomFacts {
  readonly name: string;
  readonly isDurable: boolean;
  /** Whether anything from before the join follows. */
  readonly hasHistory: boolean;
}

/** What the page is told, in order. */
export interface SessionEvents {
  onStatus(status: ClientStatus): void;
  /** The room was joined; its history follows, then live messages. */
  onRoom(room: RoomFacts): void;
  onMessage(message: RoomMessage<Payload>, isHistory: boolean): void;
  onGap(gap: RoomGap): void;
  /** The gateway lost the bus, or is back on it. */
  onCutOff(isCutOff: boolean): void;
  /** The room ended and nothing more comes of it. */
  onRoomEnd(error: unknown): void;
  /** A line of this page was acknowledged, sent at `sentAtMs` by this computer's clock. */
  onSent(line: ChatPayload, sentAtMs: number): void;
}

export class Session {
  /** Names this client in its messages. */
  readonly from = `page-${crypto.randomUUID().slice(0, 8)}`;
  readonly #url: string;
  readonly #events: SessionEvents;
  #client: Client<Payload> | null = null;
  #room: Room<Payload> | null = null;
  #wanted = "";
  #isEntering = false;
  #isCutOff = false;
  #n = 0;
  #networkIsBack: Promise<void> = Promise.resolve();

  constructor(url: string, events: SessionEvents) {
    this.#url = url;
    this.#events = events;
  }

  /** Name of the room joined, or "". */
  get roomName(): string {
    return this.#room?.name ?? "";
  }

  /** Connects, for as long as it takes. @throws {TidegateError} when refused for good. */
  async open(): Promise<void> {
    const client = await connect(this.#url, {
      codec: payloadCodec,
      build: { name: "tidegate-page", version: "0.1.0" },
      connectTimeoutMs: Number.POSITIVE_INFINITY,
      token: () => this.#networkIsBack.then(() => ""),
    });
    this.#client = client;
    client.onStatus((status) => this.#events.onStatus(status));
    this.#events.onStatus(client.status);
  }

  /**
   * Joins a room, then leaves the one before: a name that is refused costs nothing. Another call
   * before this one has ended wins.
   *
   * @throws {TidegateError} `ROOM_NAME_INVALID`, `ROOM_CLASS_UNKNOWN`, `PERMISSION_DENIED` …
   */
  async enter(name: string): Promise<void> {
    const client = this.#openClient();
    const isOnTheWay = this.#wanted === name && this.#isEntering;
    this.#wanted = name;
    if (isOnTheWay || this.roomName === name) return;
    this.#isEntering = true;
    try {
      await this.#enter(client, name);
    } finally {
      if (this.#wanted === name) this.#isEntering = false;
    }
  }

  /** Makes a line to send, with the next number. */
  makeLine(name: string, text: string): ChatPayload {
    this.#n += 1;
    return { kind: "chat", from: this.from, n: this.#n, name, text };
  }

  /**
   * Publishes a line; resolves when it is acknowledged.
   *
   * @throws {TidegateError} as Room.publish.
   */
  async send(line: ChatPayload): Promise<void> {
    const room = this.#room;
    if (room === null) throw new TidegateError("CLOSED", "join a room first");
    const sentAtMs = Date.now();
    await room.publish(line);
    if (this.#room === room) this.#events.onSent(line, sentAtMs);
  }

  /** Cuts the connection, and keeps the network away for this long. */
  cut(awayMs: number): void {
    this.#networkIsBack = new Promise((resolve) => window.setTimeout(resolve, awayMs));
    this.#openClient().dropConnection();
  }

  /** Round trip, milliseconds, or null while there is none. */
  async ping(): Promise<number | null> {
    if (this.#client?.status.state !== "open") return null;
    return await this.#client.ping().catch(() => null); // cut meanwhile: there is none
  }

  #openClient(): Client<Payload> {
    if (this.#client === null) throw new TidegateError("UNAVAILABLE", "not connected yet");
    return this.#client;
  }

  async #enter(client: Client<Payload>, name: string): Promise<void> {
    const history = await this.#readHistory(client, name);
    const after = history.at(-1)?.position ?? null;
    const room = await client.join(name, after === null ? {} : { after });
    if (this.#wanted !== name) {
      await room.leave();
      return;
    }
    const before = this.#room;
    this.#room = room;
    await before?.leave();
    const { isDurable } = room.policy;
    this.#events.onRoom({ name, isDurable, hasHistory: history.length > 0 });
    for (const message of history) this.#events.onMessage(message, true);
    void this.#loop(room);
  }

  /** The newest messages; none where the room keeps none or lets nobody read it. */
  async #readHistory(client: Client<Payload>, name: string): Promise<RoomMessage<Payload>[]> {
    try {
      const page = await client.history(name, { limit: HISTORY_COUNT });
      return page.messages.filter((message) => message.type === "message");
    } catch (error) {
      const code = error instanceof TidegateError ? error.code : "";
      if (code === "NOT_DURABLE" || code === "PERMISSION_DENIED") return [];
      throw error;
    }
  }

  async #loop(room: Room<Payload>): Promise<void> {
    try {
      for await (const event of room) {
        if (this.#room !== room) return;
        this.#onEvent(event);
      }
    } catch (error) {
      if (this.#room !== room) return;
      this.#room = null;
      this.#events.onRoomEnd(error);
    }
  }

  #onEvent(event: RoomEvent<Payload>): void {
    if (event.type === "message") this.#events.onMessage(event, false);
    else if (event.type === "gap") this.#events.onGap(event);
    else if (event.type === "policy") this.#onPolicy(event.policy.isDegraded);
    // "invalid" can not be: the codec reads everything.
  }

  /** Of a policy only this is shown. */
  #onPolicy(isCutOff: boolean): void {
    if (isCutOff === this.#isCutOff) return;
    this.#isCutOff = isCutOff;
    this.#events.onCutOff(isCutOff);
  }
}

/** The part of a position that people can compare: its sequence. */
export function positionLabel(position: Position | null): string {
  return position === null ? "" : `#${position.split(".")[1] ?? ""}`;
}
