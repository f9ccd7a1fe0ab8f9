/**
 * Messages by room class and hop, and what they take: plain numbers, added to on the hot path.
 */
import { isTraced, traceOf } from "../../bus/envelope.ts";
import { readFirstSentUs } from "../../bus/void.ts";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import { Histogram } from "../../telemetry/metrics/histogram.ts";

/** Classes that are counted by name; the next ones are "other" together. Some 200 bytes each. */
export const CLASS_COUNT_MAX = 100;
/** Name of the classes beyond. No class can be called so: names begin with a letter. */
const rest = "_other";
/**
 * One message in so many is timed: clocks and logarithms cost some 0.2 us, all of them would be
 * 0.5 % of a message to ten members. So it is 14 ns a message, counts included.
 */
export const LATENCY_EVERY = 16;

/** What is counted of one class. Fields are added to directly. */
export class ClassMeter {
  /** Taken from clients. */
  ingressCount = 0;
  ingressBytes = 0;
  /** Passed on to the bus; of durable rooms: stored. */
  publishedCount = 0;
  publishedBytes = 0;
  /** Come from the bus to a room with members here, also by a fill; each once. */
  receivedCount = 0;
  receivedBytes = 0;
  /** Handed to the members of a room. */
  fannedOutCount = 0;
  fannedOutBytes = 0;
  /** The same times members, and what it makes on the wire. */
  deliveryCount = 0;
  deliveryBytes = 0;
  /** Received, but void (R2), so nobody gets them. */
  voidCount = 0;
  joinCount = 0;
  /** Times that a room read what it had missed. */
  fillCount = 0;

  /** A message of a client. */
  takeIngress(byteCount: number): void {
    this.ingressCount += 1;
    this.ingressBytes += byteCount;
  }

  /** The bus has it. */
  takePublished(byteCount: number): void {
    this.publishedCount += 1;
    this.publishedBytes += byteCount;
  }

  /** The bus has brought it. Hot path. */
  takeReceived(byteCount: number): void {
    this.receivedCount += 1;
    this.receivedBytes += byteCount;
  }

  /** It went to a topic. Hot path. @param frameBytes of the frame that each member gets. */
  takeFannedOut(byteCount: number, memberCount: number, frameBytes: number): void {
    this.fannedOutCount += 1;
    this.fannedOutBytes += byteCount;
    this.deliveryCount += memberCount;
    this.deliveryBytes += memberCount * frameBytes;
  }
}

/** A hop's times; of one clock, or of two. */
export class HopLatency {
  readonly histogram = new Histogram();
  #turn = 0;
  /** Times below 0: the clocks differ by more than it took. They count as 0. */
  skewedCount = 0;

  /**
   * Whether this message is one that is timed. Hot path. Each hop has turns of its own: with one
   * count for all, a hop that always comes second would never have its turn.
   */
  isTurn(): boolean {
    this.#turn = (this.#turn + 1) % LATENCY_EVERY;
    return this.#turn === 0;
  }

  /** @param us microseconds. */
  record(us: number): void {
    if (us < 0) this.skewedCount += 1;
    this.histogram.record(Math.max(0, us) / 1e6);
  }

  /** Names a traced message that was recorded as an example. */
  exemplify(us: number, traceId: string, nowMs: number): void {
    this.histogram.exemplify(Math.max(0, us) / 1e6, traceId, nowMs);
  }
}

/** Why members are told of a gap, as labels say it. */
type GapLabel = "bus" | "ephemeral" | "position_unknown" | "retention" | "slow_member";

const labels: Readonly<Partial<Record<GapReason, GapLabel>>> = {
  [GapReason.BUS]: "bus",
  [GapReason.EPHEMERAL]: "ephemeral",
  [GapReason.POSITION_UNKNOWN]: "position_unknown",
  [GapReason.RETENTION]: "retention",
  [GapReason.SLOW_MEMBER]: "slow_member",
};

/** See the file's header. */
export class MessageMeter {
  /** By class, in the order in which they came. */
  readonly classes = new Map<string, ClassMeter>();
  /** Gaps: those that all members of a room were told of, and those of one. */
  readonly gaps: Record<"bus_deliver" | "fanout", Partial<Record<GapLabel, number>>> = {
    bus_deliver: { bus: 0, position_unknown: 0, retention: 0 },
    fanout: { position_unknown: 0, retention: 0, slow_member: 0 },
  };
  /** Messages lost between gateways, where their number is known; and those of slow members. */
  readonly lost = { bus_deliver: 0, fanout: 0 };
  /** From a client's first try to this gateway: two clocks. */
  readonly ingress = new HopLatency();
  /** From the hand-over to the bus to its acknowledgement; durable rooms: one clock. */
  readonly published = new HopLatency();
  /** From the store's stamp to this gateway; durable rooms: two clocks. */
  readonly received = new HopLatency();
  /** What handing a message to a room's topic takes: one clock. */
  readonly fannedOut = new HopLatency();
  /** From the publisher's first try to the topic: two clocks. */
  readonly delivery = new HopLatency();

  /** The counts of a class. */
  of(roomClass: string): ClassMeter {
    return this.classes.get(roomClass) ?? this.#add(roomClass);
  }

  /**
   * Whether to time a message at its fan-out: in its turn, or since it is traced, which is by
   * chance too. Hot path.
   */
  isTimed(envelope: Uint8Array): boolean {
    return this.fannedOut.isTurn() || isTraced(envelope);
  }

  /** Times a message that was handed out. @param storedUs the store's stamp; 0: ephemeral. */
  recordFanout(envelope: Uint8Array, storedUs: number, nowUs: number, stepUs: number): void {
    const times: [HopLatency, number][] = [
      [this.fannedOut, stepUs],
      [this.delivery, nowUs - readFirstSentUs(envelope)],
    ];
    if (storedUs > 0) times.push([this.received, nowUs - storedUs]);
    const traceId = traceOf(envelope)?.traceId ?? "";
    for (const [latency, us] of times) {
      latency.record(us);
      if (traceId !== "") latency.exemplify(us, traceId, nowUs / 1000);
    }
  }

  /** Members are told of a gap. @param missedCount 0 when it is not known. */
  noteGap(hop: "bus_deliver" | "fanout", reason: GapReason, missedCount: number): void {
    const label = labels[reason];
    if (label !== undefined) this.gaps[hop][label] = (this.gaps[hop][label] ?? 0) + 1;
    this.lost[hop] += missedCount;
  }

  #add(roomClass: string): ClassMeter {
    const name = this.classes.size < CLASS_COUNT_MAX ? roomClass : rest;
    const meter = this.classes.get(name) ?? new ClassMeter();
    this.classes.set(name, meter);
    return meter;
  }
}
