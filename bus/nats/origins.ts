/**
 * The origins this process hears of: their signs of life, and asking those that fell silent.
 *
 * origin-watch.ts judges. An origin answers on a control subject of its own, so it is asked only by
 * those who had traffic from it and lost sight of it, at most once a second each.
 */
import { errors, type NatsConnection } from "@nats-io/transport-node";
import { judgeSilence, type Origin } from "./origin-watch.ts";
import { TICK_MS, type Tick } from "./tick.ts";
import { originSubject } from "./wire.ts";

/** An answer later than this is a sign of life all the same, if it comes at all; ms. */
const ANSWER_MS_MAX = 1000;
/** An origin without a sign for this long is forgotten: later than its last count, ticks. */
const FORGET_TICKS = 720_000 / TICK_MS;
/**
 * Origins known at once. More are heard, but not watched: whoever can make up more has forged them.
 */
export const ORIGIN_COUNT_MAX = 4096;

export class Origins {
  readonly #connection: NatsConnection;
  readonly #own: number;
  readonly #tick: Tick;
  readonly #onDead: (origin: Origin) => void;
  readonly #origins = new Map<number, Origin>();
  /** Origins taken for dead. */
  deadCount = 0;

  /** @param own this process's origin: it answers for it, and never watches it. */
  constructor(
    connection: NatsConnection,
    own: number,
    tick: Tick,
    onDead: (origin: Origin) => void,
  ) {
    this.#connection = connection;
    this.#own = own;
    this.#tick = tick;
    this.#onDead = onDead;
    connection.subscribe(originSubject(own), {
      callback: (error, message) => {
        if (error === null) message.respond();
      },
    });
  }

  get count(): number {
    return this.#origins.size;
  }

  /** The origin of an id, from now on known; null when too many are. */
  find(id: number): Origin | null {
    const known = this.#origins.get(id);
    if (known !== undefined) return known;
    if (this.#origins.size >= ORIGIN_COUNT_MAX) return null;
    const { now } = this.#tick;
    const origin = { id, trafficTick: now, signTick: now, askedTick: 0, isSilent: false };
    this.#origins.set(id, origin);
    return origin;
  }

  /** Judges every origin; call once per tick. */
  onTick(): void {
    const { now } = this.#tick;
    for (const origin of this.#origins.values()) {
      if (origin.id === this.#own) continue;
      const verdict = judgeSilence(origin, now);
      if (verdict === "dead") this.#takeForDead(origin);
      else if (verdict === "ask") this.#ask(origin);
      else if (now - origin.signTick > FORGET_TICKS) this.#origins.delete(origin.id);
    }
  }

  #ask(origin: Origin): void {
    origin.askedTick = this.#tick.now;
    const subject = originSubject(origin.id);
    this.#connection.request(subject, undefined, { timeout: ANSWER_MS_MAX }).then(
      () => {
        origin.signTick = this.#tick.now;
        origin.isSilent = false;
      },
      (error: unknown) => {
        // No one listens there any more. Anything else is no answer: the tick goes on counting.
        const isGone = error instanceof errors.RequestError && error.isNoResponders();
        if (isGone && origin.askedTick > origin.signTick) this.#takeForDead(origin);
      },
    );
  }

  #takeForDead(origin: Origin): void {
    if (origin.isSilent) return;
    origin.isSilent = true;
    this.deadCount += 1;
    this.#onDead(origin);
  }
}
