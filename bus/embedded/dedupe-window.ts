/**
 * The names of messages stored within the window (R1, R4): exact, ordered by time, bounded.
 *
 * A set, not a high-water mark: when 1 fails and 2 is stored, the retried 1 must be stored.
 * Entries form a ring in the order of their storing; a hash table holds the newest entry of each
 * hash and each entry the one before it, so expiry only moves the ring's tail: a chain ends at
 * the first entry older than that. A Map of strings took three times the memory and its growth
 * stalled commits.
 */

/** Most names remembered: 140 000 a second over the window, 310 MB then. More are refused. */
export const NAME_COUNT_MAX = 2 ** 22;

const capacityMin = 2 ** 10;

/** Where a remembered message was stored. */
export interface FirstCopy {
  seq: number;
  timeUs: number;
  epoch: number;
}

/** Entries by number; arrays hold entry `n` at `n & (capacity - 1)`. */
interface Ring {
  readonly mask: number;
  /** Newest entry number + 1 of each hash; 0 for none. */
  readonly heads: Float64Array;
  /** Entry number + 1 before this one with the same hash; 0 for none. */
  readonly previous: Float64Array;
  /** Two words of room id and producer seq, four of the producer. */
  readonly words: Uint32Array;
  readonly producerSeqs: Float64Array;
  readonly seqs: Float64Array;
  readonly timesUs: Float64Array;
  readonly epochs: Uint32Array;
  /** By the clock that never steps. */
  readonly uptimesUs: Float64Array;
}

export class DedupeWindow {
  readonly #windowUs: number;
  readonly #seed: number;
  readonly #countMax: number;
  #ring = makeRing(capacityMin);
  /** Number of the oldest entry kept, and of the next one. */
  #tail = 0;
  #next = 0;
  readonly #key = new Uint32Array(4);
  readonly #keyBytes = Buffer.from(this.#key.buffer);
  readonly #found: FirstCopy = { seq: 0, timeUs: 0, epoch: 0 };

  /**
   * @param windowUs how long a name is remembered, microseconds.
   * @param seed random, 32 bits: clients choose producer seqs, and must not be able to choose such
   *   as share a hash.
   * @param countMax most names, a power of two.
   */
  constructor(windowUs: number, seed: number, countMax: number = NAME_COUNT_MAX) {
    this.#windowUs = windowUs;
    this.#seed = seed;
    this.#countMax = countMax;
  }

  /** Names remembered now. */
  get count(): number {
    return this.#next - this.#tail;
  }

  /** A place to come back to by {@link undo}. */
  get mark(): number {
    return this.#next;
  }

  /** Whether another name can be remembered; when not, its message must be refused. */
  get hasSpace(): boolean {
    return this.count < this.#countMax;
  }

  /** Forgets names stored more than the window before `uptimeUs`. */
  expire(uptimeUs: number): void {
    const { mask, uptimesUs } = this.#ring;
    const limitUs = uptimeUs - this.#windowUs;
    while (this.#tail < this.#next && (uptimesUs[this.#tail & mask] as number) < limitUs) {
      this.#tail += 1;
    }
    const capacity = mask + 1;
    if (capacity > capacityMin && this.count < capacity / 8) this.#resize(capacity / 2);
  }

  /**
   * Finds a name.
   *
   * @returns where it was stored, valid until the next call, or null. Hot path: allocates nothing.
   */
  find(roomId: number, producer: Uint8Array, producerSeq: number): FirstCopy | null {
    this.#keyBytes.set(producer);
    const ring = this.#ring;
    let number = (ring.heads[this.#hash(roomId, producerSeq) & ring.mask] as number) - 1;
    while (number >= this.#tail) {
      const at = number & ring.mask;
      if (this.#isEqual(at, roomId, producerSeq)) {
        this.#found.seq = ring.seqs[at] as number;
        this.#found.timeUs = ring.timesUs[at] as number;
        this.#found.epoch = ring.epochs[at] as number;
        return this.#found;
      }
      number = (ring.previous[at] as number) - 1;
    }
    return null;
  }

  /** Remembers a name that {@link find} did not find; the caller has checked {@link hasSpace}. */
  add(
    roomId: number,
    producer: Uint8Array,
    producerSeq: number,
    copy: FirstCopy,
    uptimeUs: number,
  ): void {
    if (this.count > this.#ring.mask) this.#resize((this.#ring.mask + 1) * 2);
    this.#keyBytes.set(producer);
    const ring = this.#ring;
    const at = this.#next & ring.mask;
    ring.words.set(this.#key, at * 5);
    ring.words[at * 5 + 4] = roomId;
    ring.producerSeqs[at] = producerSeq;
    ring.seqs[at] = copy.seq;
    ring.timesUs[at] = copy.timeUs;
    ring.epochs[at] = copy.epoch;
    ring.uptimesUs[at] = uptimeUs;
    const hash = this.#hash(roomId, producerSeq) & ring.mask;
    ring.previous[at] = ring.heads[hash] as number;
    this.#next += 1;
    ring.heads[hash] = this.#next;
  }

  /** Forgets everything added since `mark`: its transaction was rolled back. */
  undo(mark: number): void {
    while (this.#next > mark) {
      const ring = this.#ring;
      const at = (this.#next - 1) & ring.mask;
      ring.heads[this.#hashOfEntry(ring, at) & ring.mask] = ring.previous[at] as number;
      this.#next -= 1;
    }
  }

  #isEqual(at: number, roomId: number, producerSeq: number): boolean {
    const { words, producerSeqs } = this.#ring;
    const w = at * 5;
    const key = this.#key;
    return (
      producerSeqs[at] === producerSeq &&
      words[w + 4] === roomId &&
      words[w] === key[0] &&
      words[w + 1] === key[1] &&
      words[w + 2] === key[2] &&
      words[w + 3] === key[3]
    );
  }

  #hash(roomId: number, producerSeq: number): number {
    return this.#mix(this.#key, 0, roomId, producerSeq);
  }

  #hashOfEntry(ring: Ring, at: number): number {
    const w = at * 5;
    return this.#mix(ring.words, w, ring.words[w + 4] as number, ring.producerSeqs[at] as number);
  }

  /** Seeded multiply-xor rounds over the name, finished as in MurmurHash3 (public domain). */
  #mix(words: Uint32Array, at: number, roomId: number, producerSeq: number): number {
    let hash = this.#seed;
    for (let i = 0; i < 4; i += 1) hash = round(hash, words[at + i] as number);
    hash = round(hash, roomId);
    hash = round(hash, producerSeq >>> 0);
    hash = round(hash, Math.floor(producerSeq / 0x1_0000_0000));
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #resize(capacity: number): void {
    const old = this.#ring;
    const ring = makeRing(capacity);
    for (let number = this.#tail; number < this.#next; number += 1) {
      const from = number & old.mask;
      const to = number & ring.mask;
      for (let i = 0; i < 5; i += 1) ring.words[to * 5 + i] = old.words[from * 5 + i] as number;
      ring.producerSeqs[to] = old.producerSeqs[from] as number;
      ring.seqs[to] = old.seqs[from] as number;
      ring.timesUs[to] = old.timesUs[from] as number;
      ring.epochs[to] = old.epochs[from] as number;
      ring.uptimesUs[to] = old.uptimesUs[from] as number;
      const hash = this.#hashOfEntry(ring, to) & ring.mask;
      ring.previous[to] = ring.heads[hash] as number;
      ring.heads[hash] = number + 1;
    }
    this.#ring = ring;
  }
}

function makeRing(capacity: number): Ring {
  return {
    mask: capacity - 1,
    heads: new Float64Array(capacity),
    previous: new Float64Array(capacity),
    words: new Uint32Array(capacity * 5),
    producerSeqs: new Float64Array(capacity),
    seqs: new Float64Array(capacity),
    timesUs: new Float64Array(capacity),
    epochs: new Uint32Array(capacity),
    uptimesUs: new Float64Array(capacity),
  };
}

function round(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x85ebca6b);
  return Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
}
