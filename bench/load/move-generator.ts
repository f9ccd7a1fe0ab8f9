/**
 * A load generator process for moves: SDK clients that follow GoAway while they publish and
 * receive.
 *
 * The real SDK, because how it moves is what is measured; its sockets are watched from outside.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "../../sdk/typescript/client.ts";
import { systemClock } from "../../sdk/typescript/clock.ts";
import { text } from "../../sdk/typescript/codec.ts";
import type { Room } from "../../sdk/typescript/room.ts";
import type { OpenSocket } from "../../sdk/typescript/socket.ts";
import { openSocket } from "../../sdk/typescript/socket-node.ts";
import { Histogram } from "./histogram.ts";
import type { MoveCommand, MovePlan, MoveReply } from "./move-protocol.ts";

/** First byte of a ServerFrame: which kind (proto/tidegate/client/v1/frame.proto). */
const WELCOME_BYTE = 0x0a;
const JOINED_BYTE = 0x12;
/** How the SDK closes a connection that it has replaced. */
const MOVED_CLOSE_CODE = 4100;
/** Without a delivery for so long, what is missing counts as lost, ms. */
const SETTLE_MS = 20_000;
/** Clients that open at once: a machine that can not keep up opens them later. */
const OPENING_MAX = 32;

interface Member {
  readonly client: Client<string>;
  readonly room: string;
  /** The next number that is due. */
  due: number;
}

class MoveGenerator {
  readonly #reply: (message: MoveReply) => void;
  readonly #members: Member[] = [];
  /** Highest acknowledged number of each room. */
  readonly #acked = new Map<string, number>();
  readonly #reconnectsMs: number[] = [];
  readonly #interruption = new Histogram();
  readonly #counts = { delivered: 0, lost: 0, doubled: 0, reordered: 0, failed: 0, moved: 0 };
  readonly #publishers: [Client<string>, string][] = [];
  readonly #publishing: Promise<void>[] = [];
  #isPublishing = true;
  #deliveredAtMs = 0;

  constructor(reply: (message: MoveReply) => void) {
    this.#reply = reply;
  }

  async handle(command: MoveCommand): Promise<void> {
    if (command.kind === "open") await this.#open(command.plan);
    else await this.#finish();
  }

  async #open(plan: MovePlan): Promise<void> {
    const { clientCount, membersPerRoom, firstRoom, urls, openPerS } = plan;
    const opening = new Set<Promise<void>>();
    const startMs = performance.now();
    for (let i = 0; i < clientCount; i += 1) {
      const aheadMs = (i * 1000) / openPerS - (performance.now() - startMs);
      if (aheadMs > 5) await sleep(aheadMs);
      const room = `chat:move-${firstRoom + Math.floor(i / membersPerRoom)}`;
      const url = urls[i % urls.length] ?? "";
      const opened = this.#openMember(url, room, i % membersPerRoom === 0);
      opening.add(opened);
      void opened.then(() => opening.delete(opened));
      while (opening.size >= OPENING_MAX) await Promise.race(opening);
    }
    await Promise.all(opening);
    for (const [client, room] of this.#publishers) {
      this.#publishing.push(this.#publish(client, room, plan.publishEveryMs));
    }
    this.#reply({ kind: "opened" });
  }

  async #openMember(url: string, name: string, publishes: boolean): Promise<void> {
    const runtime = {
      ...{ clock: systemClock, platform: "bench", random: Math.random },
      openSocket: this.#watched(),
    };
    const client = new Client<string>(url, { codec: text, connectTimeoutMs: 120_000 }, runtime);
    await client.open();
    const room = await client.join(name);
    const member = { client, room: name, due: 1 };
    this.#members.push(member);
    void this.#receive(member, room);
    if (publishes) this.#publishers.push([client, name]);
  }

  /** The SDK's sockets, with an eye on when one is left and the next is in. */
  #watched(): OpenSocket {
    let isFirst = true;
    let lostAtMs: number | null = null;
    return (url, protocol, handlers) => {
      const isReconnect = !isFirst;
      isFirst = false;
      let isLeft = false;
      const lose = () => {
        if (!isLeft) lostAtMs ??= performance.now();
        isLeft = true;
      };
      let isIn = false;
      const socket = openSocket(url, protocol, {
        ...handlers,
        onMessage: (bytes) => {
          if (isReconnect && bytes?.[0] === WELCOME_BYTE) this.#reconnectsMs.push(Date.now());
          isIn ||= bytes?.[0] === JOINED_BYTE;
          handlers.onMessage(bytes);
          if (isIn && isReconnect && lostAtMs !== null) {
            this.#interruption.record((performance.now() - lostAtMs) * 1000);
            lostAtMs = null;
          }
        },
        onClose: (end) => {
          if (isIn) lose();
          handlers.onClose(end);
        },
      });
      return {
        ...socket,
        close: (code, reason) => {
          if (code === MOVED_CLOSE_CODE) this.#counts.moved += 1;
          lose();
          socket.close(code, reason);
        },
      };
    };
  }

  async #receive(member: Member, room: Room<string>): Promise<void> {
    for await (const event of room) {
      if (event.type !== "message") {
        if (event.type === "gap") this.#counts.lost += 1;
        continue;
      }
      const number = Number(event.payload);
      this.#counts.delivered += 1;
      this.#deliveredAtMs = performance.now();
      if (number === member.due) member.due += 1;
      else if (number < member.due) this.#counts.doubled += 1;
      else {
        this.#counts.reordered += 1;
        member.due = number + 1;
      }
    }
  }

  async #publish(client: Client<string>, room: string, everyMs: number): Promise<void> {
    await sleep(Math.random() * everyMs);
    for (let number = 1; this.#isPublishing; number += 1) {
      try {
        await client.publish(room, `${number}`);
        this.#acked.set(room, number);
      } catch {
        this.#counts.failed += 1; // its number is missing for members too: reordered says so
      }
      await sleep(everyMs);
    }
  }

  async #finish(): Promise<void> {
    this.#isPublishing = false;
    await Promise.all(this.#publishing);
    this.#deliveredAtMs = performance.now();
    const isBehind = ({ due, room }: Member) => due <= (this.#acked.get(room) ?? 0);
    while (this.#members.some(isBehind) && performance.now() - this.#deliveredAtMs < SETTLE_MS) {
      await sleep(50);
    }
    for (const { due, room } of this.#members) {
      this.#counts.lost += Math.max(0, (this.#acked.get(room) ?? 0) + 1 - due);
    }
    const { delivered, lost, doubled, reordered, failed, moved } = this.#counts;
    let publishedCount = 0;
    for (const count of this.#acked.values()) publishedCount += count;
    this.#reply({
      kind: "finished",
      ...{ publishedCount, deliveredCount: delivered, lostCount: lost, doubledCount: doubled },
      ...{ reorderedCount: reordered, failedCount: failed, movedCount: moved },
      reconnectsMs: Float64Array.from(this.#reconnectsMs),
      interruption: this.#interruption.toPlain(),
    });
  }
}

const generator = new MoveGenerator((message) => process.send?.(message));
process.on("message", (command: MoveCommand) => void generator.handle(command));
process.once("disconnect", () => process.exit());
