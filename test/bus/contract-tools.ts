/**
 * What the bus contract's rules share: rooms, names, recorders and waiting for what arrives.
 */
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { AppendAck, Bus, DurableMessage, MessageId, RoomListener } from "../../bus/bus.ts";
import type { KeyValueChange, KeyValueWatcher } from "../../bus/key-value.ts";
import type { Position } from "../../bus/position.ts";
import { type RoomAddress, roomAddress, SLOT_COUNT } from "../../bus/subjects.ts";
import type { CodedError } from "../../proto/coded-error.ts";

/** Longest wait for something that must come; a rule that needs it all has failed. */
const waitMs = 15_000;

/** A room nobody else uses, so that rules can share a store. */
export function newRoom(name = "r", roomClass = "chat"): RoomAddress {
  for (;;) {
    const room = roomAddress("acme", `${roomClass}:${name}-${randomBytes(6).toString("hex")}`);
    if (usedSlots.has(room.slot) && usedSlots.size < SLOT_COUNT / 2) continue;
    usedSlots.add(room.slot);
    return room;
  }
}

/** Of this process: tests move and seal slots, and must not meet in one. */
const usedSlots = new Set<number>();

/** A producer nobody else is: 16 characters of latin1, as the hash gives. */
export function newProducer(): string {
  return randomBytes(16).toString("latin1");
}

/** A prefix of keys nobody else uses, so that rules can share a bucket. */
export function newPrefix(): string {
  return `p${randomBytes(8).toString("hex")}.`;
}

/** Server time, microseconds. */
export function nowUs(): number {
  return Date.now() * 1000;
}

/** Envelope bytes that say `text`. */
export function envelopeOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export function textOf(envelope: Uint8Array): string {
  return Buffer.from(envelope).toString();
}

export function textsOf(messages: readonly DurableMessage[]): string[] {
  return messages.map((message) => textOf(message.envelope));
}

/** The place alone, to compare acks, messages and positions. */
export function placeOf({ epoch, seq, timeUs }: Position): Position {
  return { epoch, seq, timeUs };
}

/** Passes a message on; again while the bus says that it can not now, as after a stall (R12). */
export async function publish(bus: Bus, room: RoomAddress, text: string): Promise<void> {
  while ((await codeOf(() => bus.publish(room, envelopeOf(text)))) === "UNAVAILABLE") {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Appends and waits for the answer. */
export function append(
  bus: Bus,
  room: RoomAddress,
  id: MessageId,
  text: string,
  firstSentUs = nowUs(),
): Promise<AppendAck> {
  return new Promise((resolve, reject) => {
    bus.append(room, id, firstSentUs, envelopeOf(text), (error, ack) => {
      if (ack === null) reject(error);
      else resolve(ack);
    });
  });
}

/** Appends `count` messages of a new producer, "0", "1", … at once; their acks in order. */
export function appendMany(bus: Bus, room: RoomAddress, count: number): Promise<AppendAck[]> {
  const producer = newProducer();
  const acks: Promise<AppendAck>[] = [];
  for (let i = 0; i < count; i += 1) {
    acks.push(append(bus, room, { producer, seq: i + 1 }, String(i)));
  }
  return Promise.all(acks);
}

/** The code an operation fails with. */
export async function codeOf(operation: () => Promise<unknown> | unknown): Promise<string> {
  try {
    await operation();
  } catch (error) {
    return (error as CodedError).code;
  }
  return "no error";
}

/** Reads a room from its start to its end, page by page. */
export async function readAll(bus: Bus, room: RoomAddress, limit = 500): Promise<DurableMessage[]> {
  const all: DurableMessage[] = [];
  for (;;) {
    const page = await bus.readAfter(room, all.at(-1) ?? null, limit);
    expect(page.isContinuous).toBe(true);
    all.push(...page.messages);
    if (page.isEnd) return all;
    expect(page.messages.length).toBeGreaterThan(0);
  }
}

/** Resolves when a condition holds; looks when told to by {@link Signal.notify}. */
class Signal {
  readonly #waiting: (() => void)[] = [];

  notify(): void {
    for (const look of this.#waiting.splice(0)) look();
  }

  async until(condition: () => boolean, what: () => string): Promise<void> {
    const endMs = Date.now() + waitMs;
    while (!condition()) {
      const leftMs = endMs - Date.now();
      if (leftMs <= 0) throw new Error(`waited ${waitMs} ms for ${what()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

/** A listener that keeps what it hears. */
export class Recorder implements RoomListener {
  readonly ephemeral: { token: string; text: string }[] = [];
  readonly durable: { token: string; message: DurableMessage }[] = [];
  /** Losses told, each with how many messages had been heard before. */
  readonly losses: { missedCount: number; after: number }[] = [];
  /** Times that the history was said to have gone backwards. */
  historyChangeCount = 0;
  readonly #signal = new Signal();

  onEphemeral(token: string, envelope: Uint8Array): void {
    this.ephemeral.push({ token, text: textOf(envelope) });
    this.#signal.notify();
  }

  onLoss(_token: string, missedCount: number): void {
    this.losses.push({ missedCount, after: this.ephemeral.length });
    this.#signal.notify();
  }

  onDurable(token: string, message: DurableMessage): void {
    this.durable.push({ token, message });
    this.#signal.notify();
  }

  onHistoryChanged(): void {
    this.historyChangeCount += 1;
    this.#signal.notify();
  }

  get texts(): string[] {
    return this.ephemeral.map(({ text }) => text);
  }

  get messages(): DurableMessage[] {
    return this.durable.map(({ message }) => message);
  }

  /** Waits until that many ephemeral messages were heard in all. */
  async ephemeralCount(count: number): Promise<void> {
    const what = () => `${count} ephemeral messages, got ${this.ephemeral.length}`;
    await this.#signal.until(() => this.ephemeral.length >= count, what);
  }

  /** Waits until that many losses were told. */
  async lossCount(count: number): Promise<void> {
    const what = () => `${count} losses, got ${this.losses.length}`;
    await this.#signal.until(() => this.losses.length >= count, what);
  }

  /** Waits until that many durable messages were heard in all. */
  async durableCount(count: number): Promise<void> {
    const what = () => `${count} durable messages, got ${this.durable.length}`;
    await this.#signal.until(() => this.durable.length >= count, what);
  }
}

/** A watcher that keeps what it sees. */
export class WatchRecorder implements KeyValueWatcher {
  readonly changes: KeyValueChange[] = [];
  /** How many changes came before onSynced; -1 until then. */
  syncedAt = -1;
  syncedCount = 0;
  readonly #signal = new Signal();

  onChange(change: KeyValueChange): void {
    this.changes.push(change);
    this.#signal.notify();
  }

  onSynced(): void {
    this.syncedAt = this.changes.length;
    this.syncedCount += 1;
    this.#signal.notify();
  }

  /** The latest change of a key. */
  last(key: string): KeyValueChange | undefined {
    return this.changes.findLast((change) => change.key === key);
  }

  async until(condition: () => boolean): Promise<void> {
    await this.#signal.until(condition, () => `a change after ${this.changes.length}`);
  }
}
