/**
 * The load of slots over the whole fleet: each replica answers with what its gateways reported, and
 * whoever plans adds the answers up. Nothing is sent while nobody plans.
 */
import type { Bus, Unsubscribe } from "../../bus/bus.ts";
import { SlotLoads as SlotLoadsAnswer } from "../../proto/gen/tidegate/bus/v1/slot_loads.ts";
import { isSilent } from "../fleet-resources.ts";
import type { Log } from "../log.ts";
import { LOAD_SLOT_COUNT, type ReportedLoads } from "./slot-loads.ts";

/** Kind of the question, Bus.ask. */
const QUESTION = "slot-loads";
/** A replica that does not answer within this is left out, ms. */
const ASK_MS_MAX = 1000;

/** The fleet's loads at a time. */
export interface LoadPicture {
  /**
   * By global slot number: durable messages a second, and each KiB of them counts as one more. A
   * slot that is not here had none.
   */
  readonly loads: ReadonlyMap<number, number>;
  /**
   * Whether all of the fleet is in it: every control plane answered, and every gateway reports to
   * one of them. What is planned from less may move slots for nothing.
   */
  readonly isWhole: boolean;
}

const NOTHING_KNOWN: LoadPicture = { loads: new Map(), isWhole: false };

/** One replica's part in it. */
export class FleetLoads {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #stop: Unsubscribe;

  /** @param gatewayCount gateways that follow this replica now. */
  constructor(bus: Bus, own: ReportedLoads, gatewayCount: () => number, log: Log) {
    this.#bus = bus;
    this.#log = log;
    this.#stop = bus.answer(QUESTION, () => {
      const { spanMs, slots, messageCounts, kibibyteCounts } = own.sums(performance.now());
      const sums = {
        ...{ spanMs: Math.round(spanMs), slots: [...slots], gatewayCount: gatewayCount() },
        ...{ messageCounts: [...messageCounts], kibibyteCounts: [...kibibyteCounts] },
      };
      return SlotLoadsAnswer.encode(sums).finish();
    });
  }

  /**
   * What placement may plan with: the load of every slot, idle ones too, or of none while the
   * picture is not whole.
   */
  async observed(): Promise<ReadonlyMap<number, number>> {
    const { loads, isWhole } = await this.read().catch(() => NOTHING_KNOWN);
    if (!isWhole) return NOTHING_KNOWN.loads;
    const all = new Map<number, number>();
    for (let slot = 0; slot < LOAD_SLOT_COUNT; slot += 1) all.set(slot, loads.get(slot) ?? 0);
    return all;
  }

  /** The loads of the last minute. @throws {CodedError} `UNAVAILABLE`. */
  async read(): Promise<LoadPicture> {
    const processes = await this.#bus.topology.processes();
    const nowUs = Date.now() * 1000;
    const living = processes.filter((entry) => !isSilent(entry, nowUs));
    const planes = living.filter(({ parts }) => parts !== "gateway");
    const answers = await Promise.all(planes.map(({ id }) => this.#ask(id)));
    const known = answers.filter((answer) => answer !== null);
    const loads = new Map<number, number>();
    for (const { spanMs, slots, messageCounts, kibibyteCounts } of known) {
      for (const [i, slot] of slots.entries()) {
        const count = (messageCounts[i] ?? 0) + (kibibyteCounts[i] ?? 0);
        loads.set(slot, (loads.get(slot) ?? 0) + (count * 1000) / Math.max(1, spanMs));
      }
    }
    const gatewayCount = living.filter(({ parts }) => parts !== "controlplane").length;
    const reportingCount = known.reduce((sum, answer) => sum + answer.gatewayCount, 0);
    const isWhole = known.length === planes.length && reportingCount >= gatewayCount;
    return { loads, isWhole };
  }

  /** Answers no more. */
  close(): void {
    this.#stop();
  }

  async #ask(id: string): Promise<SlotLoadsAnswer | null> {
    try {
      const answer = await this.#bus.ask(id, QUESTION, new Uint8Array(0), ASK_MS_MAX);
      return SlotLoadsAnswer.decode(answer);
    } catch (error) {
      this.#log.debug({ err: error, id }, "a control plane does not say its slots' load");
      return null;
    }
  }
}
