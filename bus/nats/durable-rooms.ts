/**
 * Durable rooms on NATS: published to, heard, found when lost, read, and where they are.
 *
 * Wires the parts; rules of docs/guarantees.md are named where they are kept: R1, R2 and R4 in
 * appender.ts, R5 in bus/chain.ts, R6 in epoch-reader.ts, R7 in tails.ts, R8 in sweep.ts, R9 in
 * history.ts and heal.ts, R10 in advance-epoch.ts and publish-gate.ts, R12 in lease.ts. Ordering
 * after failures (R3) is the gateway's lane.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { Bus, DurableMessage } from "../bus.ts";
import type { KeyValue } from "../key-value.ts";
import { type EpochPlace, epochPlaces, keptPlaces, NO_ROUTE, type Route } from "../route.ts";
import { formatSlot } from "../subjects.ts";
import type { PublishLimits } from "../void.ts";
import { advanceEpoch, type MoveParts, type MoveWish } from "./advance-epoch.ts";
import { AppendMux } from "./append-mux.ts";
import { Appender } from "./appender.ts";
import { FinishMoves } from "./finish-move.ts";
import { Healing } from "./heal.ts";
import { RoomHistory } from "./history.ts";
import { type HeardRoom, isNewer, type NatsInterest } from "./interest.ts";
import type { NatsKeyValue } from "./key-value.ts";
import type { Lease } from "./lease.ts";
import type { NatsBusOptions } from "./options.ts";
import { PublishGate } from "./publish-gate.ts";
import { Reconciler } from "./reconcile.ts";
import type { Routes } from "./routes.ts";
import type { ShardRegistry } from "./shard-registry.ts";
import { ShardWatch } from "./shard-watch.ts";
import { writeAnchor } from "./stream-api.ts";
import { Sweep } from "./sweep.ts";
import { Tails } from "./tails.ts";
import { tellToDrain } from "./tell-to-drain.ts";
import type { Troubles } from "./troubles.ts";

/** What durable rooms are served with. */
export interface DurableParts {
  readonly connection: NatsConnection;
  readonly options: NatsBusOptions;
  readonly lease: Lease;
  readonly limits: PublishLimits;
  /** Buckets of these names. */
  readonly control: NatsKeyValue;
  readonly leases: KeyValue;
  readonly routes: Routes;
  readonly registry: ShardRegistry;
  readonly dedupeWindowMs: number;
  readonly interest: NatsInterest;
  readonly troubles: Troubles;
  /** As Bus.ask says. */
  readonly ask: Bus["ask"];
  /** Why nothing should be sent to NATS now, or null. Call {@link DurableRooms.release} after. */
  linkRefusal(): CodedError | null;
}

export class DurableRooms {
  readonly appender: Appender;
  readonly history: RoomHistory;
  /** What moves of slots work with. */
  readonly move: MoveParts;
  readonly reconciler: Reconciler;
  readonly #parts: DurableParts;
  readonly #gate: PublishGate;
  readonly #watch: ShardWatch;
  readonly #mux: AppendMux;
  readonly #sweep: Sweep;
  readonly #tails: Tails;
  readonly #finishMoves: FinishMoves;
  readonly #healing: Healing;
  readonly #ending = new AbortController();
  /** Highest sequence seen of each shard. */
  readonly #seenSeqs = new Map<number, number>();

  constructor(parts: DurableParts) {
    const { connection, options, lease, control, leases, routes, registry, interest } = parts;
    this.#parts = parts;
    const { name, inFlightMax } = options;
    const retentionUs = () => registry.retentionUs;
    this.move = {
      ...{ connection, control, lease, routes, leases, name, retentionUs },
      nowUs: () => Date.now() * 1000,
      ending: this.#ending.signal,
      tellToDrain: (id) => void tellToDrain(parts, id),
    };
    this.#gate = new PublishGate(routes, (...settled) => lease.acknowledge(...settled));
    const ackName = `${name}.${lease.incarnation}`;
    this.#watch = new ShardWatch(connection, parts.troubles);
    this.#mux = new AppendMux(connection, ackName, inFlightMax, {
      holdReason: () => (lease.isHeld ? parts.linkRefusal() : lease.refusal()),
      refusal: (shard, byteCount) => this.#watch.refusal(shard, byteCount),
      onUnsent: parts.troubles.noteUnsent,
      onSilent: (shard) => this.#watch.suspectStore(shard),
      onFull: (shard, reason) => {
        this.#watch.suspect(shard);
        parts.troubles.note("store_refused", () => ({ shard, reason }));
      },
    });
    this.#tails = new Tails(connection, interest);
    this.appender = new Appender({
      ...{ connection, mux: this.#mux, gate: this.#gate, limits: parts.limits },
      isHeard: (token) => interest.find(token) !== undefined,
      onStored: (room, shard, epoch, seq) => {
        this.#see(shard, seq);
        this.#tails.note(room, epoch, seq);
      },
      onNobody: ({ slot }, shard) => {
        this.#gate.suspect(slot);
        this.#watch.suspect(shard);
        this.reconciler.onRefused(shard);
      },
    });
    this.#healing = new Healing({
      move: this.move,
      rooms: () => interest.rooms(),
      onShardReset: (shard, lastSeq) => {
        this.#seenSeqs.set(shard, lastSeq);
        this.#sweep.forget(shard);
      },
    });
    this.#sweep = this.#makeSweep();
    this.history = this.#makeHistory();
    this.#finishMoves = new FinishMoves(this.move);
    this.reconciler = this.#makeReconciler();
    registry.follow((shard, now, before) => {
      if (now?.createdUs !== before?.createdUs) this.#forget(shard);
    });
    routes.follow((slot, route, before) => this.#onRoute(slot, route, before));
    this.#followLease();
  }

  /** What {@link DurableParts.linkRefusal} held back goes on. */
  release(): void {
    this.#mux.release();
  }

  /** A republished message came, from this shard. */
  onHeard(shard: number, seq: number, timeUs: number): void {
    this.#see(shard, seq);
    this.appender.hear(shard, seq, timeUs);
  }

  /** A gateway says what it published last in a room (R7). */
  onTail(heard: HeardRoom, epoch: number, seq: number): void {
    if (!isNewer(heard, epoch, seq)) return;
    const { slot } = heard.room;
    const { record } = this.#parts.routes.of(slot);
    if (epoch > record.epoch) this.#gate.suspect(slot);
    // R6: an answer that does not go as far as the marker is stale.
    else if (epoch === record.epoch) this.#see(record.shard, seq);
    this.#sweep.look(heard);
  }

  /** A message of an epoch that is later than any heard of the room. */
  onEpoch({ room }: HeardRoom, epoch: number): void {
    if (epoch > this.#parts.routes.of(room.slot).record.epoch) this.#gate.suspect(room.slot);
  }

  /** A message is not beyond the last one heard, but was stored later (R5, R9). */
  onLater(heard: HeardRoom, message: DurableMessage): void {
    this.#healing.onLater(heard, message);
  }

  /** A room is listened to from now on. */
  onJoined(heard: HeardRoom): void {
    this.#sweep.settle(heard);
  }

  /** R10: the next epoch of a slot, in `shard`. @throws {CodedError} `UNAVAILABLE`. */
  advanceEpoch(slot: number, shard: number, wish?: MoveWish): Promise<Route> {
    return advanceEpoch(this.move, slot, shard, wish);
  }

  /** Settles what is under way; everything else is refused with `error`. */
  async close(error: CodedError): Promise<void> {
    this.#ending.abort();
    this.#gate.close(error);
    this.#finishMoves.close();
    this.#healing.close();
    await Promise.all([this.#sweep.close(), this.#mux.close(error), this.reconciler.close()]);
    this.#tails.close();
    await this.appender.idle();
    this.#parts.routes.close();
  }

  #makeHistory(): RoomHistory {
    const { connection, routes, registry } = this.#parts;
    return new RoomHistory({
      connection,
      epochsOf: ({ slot }) => {
        const places = this.#placesOf(slot);
        if (places.length > 0) return places;
        const detail = `the placement group of slot ${formatSlot(slot)} is not known here`;
        throw new CodedError("UNAVAILABLE", detail);
      },
      refreshRoute: (slot) => routes.refresh(slot),
      seenSeq: (shard) => this.#seenSeq(shard),
      writeAnchor: (shard) => writeAnchor(connection, shard),
      onBackwards: (shard, fromSeq) => this.#healing.onBackwards(shard, fromSeq),
      roomMessageCountMax: (shard) => registry.shards.get(shard)?.roomMessageCountMax ?? 0,
      wholeFromUs: (shard) => {
        const settings = registry.shards.get(shard);
        if (settings === undefined) return Number.POSITIVE_INFINITY;
        const keptFromUs = this.move.nowUs() - Number(settings.retentionMs) * 1000;
        return Math.max(keptFromUs, Number(settings.wholeFromUs));
      },
    });
  }

  #makeReconciler(): Reconciler {
    const { registry, dedupeWindowMs, troubles, leases } = this.#parts;
    const reconciler = new Reconciler({ move: this.move, registry, dedupeWindowMs, troubles });
    // Without a leader nothing is compared for now; refusals are looked at all the same.
    reconciler.start(leases).catch(() => {});
    return reconciler;
  }

  #makeSweep(): Sweep {
    const { connection, interest, options, routes } = this.#parts;
    return new Sweep({
      connection,
      interest,
      sweepMs: options.sweepMs,
      routeOf: (slot) => routes.of(slot),
      placesOf: (slot) => this.#placesOf(slot),
      seenSeq: (shard) => this.#seenSeq(shard),
      onSeen: (shard, seq) => this.#see(shard, seq),
      writeAnchor: (shard) => writeAnchor(connection, shard),
      onBackwards: (shard, fromSeq) => this.#healing.onBackwards(shard, fromSeq),
    });
  }

  /** A slot has a new epoch: what is left of the one before is looked for at once. */
  #onRoute(slot: number, { record }: Route, before: Route): void {
    if (record.epoch === before.record.epoch || record.epoch === 0 || before === NO_ROUTE) return;
    this.#sweep.forget(record.shard);
    this.#sweep.lookAtSlot(slot);
    const isLost = (epoch: number) =>
      record.sealed.some((each) => each.epoch >= epoch && each.wentBackwards);
    const { interest } = this.#parts;
    for (const heard of interest.rooms()) {
      if (heard.room.slot !== slot || !isLost(heard.epoch)) continue;
      interest.tellHistoryChanged(heard, this.#healing.isLost(heard));
    }
  }

  /** Nothing is sent while the lease is not held; before it is again, routes are read (R10). */
  #followLease(): void {
    let goOn: (() => void) | null = null;
    const { lease, routes } = this.#parts;
    lease.beforeResume(() => routes.reload());
    lease.onChange((state) => {
      if (state === "held") {
        goOn?.();
        goOn = null;
        this.#mux.release();
        this.#healing.onReconnect();
      } else {
        goOn ??= this.#gate.stopAll();
        this.#healing.onDisconnect();
      }
    });
  }

  /** Epochs of a slot that may hold messages; none when its group is not known. */
  #placesOf(slot: number): readonly EpochPlace[] {
    const { routes, registry } = this.#parts;
    const route = routes.of(slot);
    if (route === NO_ROUTE) return [];
    const sinceUs = this.move.nowUs() - registry.retentionUs;
    return keptPlaces(epochPlaces(route), sinceUs, registry.isGone);
  }

  /** A shard was made or deleted: what was known of its number does not hold. */
  #forget(shard: number): void {
    this.#seenSeqs.delete(shard);
    this.#sweep.forget(shard);
    this.#watch.forget(shard);
  }

  #seenSeq(shard: number): number {
    return this.#seenSeqs.get(shard) ?? 0;
  }

  #see(shard: number, seq: number): void {
    if (seq > this.#seenSeq(shard)) this.#seenSeqs.set(shard, seq);
  }
}
