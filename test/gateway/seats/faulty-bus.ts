/**
 * A bus whose bucket of seats loses writes, answers and order as it is told, and whose lease can be
 * lost at will.
 */
import type { Bus, ProcessName, ResumeStep } from "../../../bus/bus.ts";
import type { KeyValue } from "../../../bus/key-value.ts";
import { SEAT_BUCKET } from "../../../bus/seats/seat-keys.ts";
import { CodedError } from "../../../proto/coded-error.ts";

/** What becomes of one call. */
export type Fate =
  | "well"
  /** Nothing is done. */
  | "dropped"
  /** It is done, and nobody hears of it. */
  | "unanswered"
  /** Nobody hears of it, and it is done after a while. */
  | "late";

export interface FaultyBus {
  readonly bus: Bus;
  /** Decides the fate of reads and writes of seats; "well" at first. */
  fate: (isWrite: boolean) => Fate;
  /** As R12 has it: the lease was gone, this process has another incarnation. */
  loseLease(isNew: boolean): Promise<void>;
}

/** A late write arrives after this, ms: when it is tried again several times over. */
const LATE_MS = 150;

/** Wraps a bus. */
export function faultyBus(inner: Bus): FaultyBus {
  const steps: ResumeStep[] = [];
  let self: ProcessName = inner.self;
  const away = () => new CodedError("UNAVAILABLE", "injected");
  const run = async <T>(isWrite: boolean, act: () => Promise<T>): Promise<T> => {
    const fate = faulty.fate(isWrite);
    if (fate === "well") return act();
    if (fate === "unanswered") await act().catch(() => {}); // refused or not, nobody hears
    if (fate === "late" && isWrite) setTimeout(() => act().catch(() => {}), LATE_MS); // likewise
    throw away();
  };
  const wrap = (keys: KeyValue): KeyValue => ({
    get: (key) => run(false, () => keys.get(key)),
    list: (prefix) => run(false, () => keys.list(prefix)),
    watch: (prefix, watcher) => keys.watch(prefix, watcher),
    create: (key, value, ttlMs) => run(true, () => keys.create(key, value, ttlMs)),
    update: (key, value, revision, ttlMs) => {
      return run(true, () => keys.update(key, value, revision, ttlMs));
    },
    delete: (key, revision) => run(true, () => keys.delete(key, revision)),
    commit: (writes) => run(true, () => keys.commit(writes)),
  });
  const bus = new Proxy(inner, {
    get(target, name) {
      if (name === "self") return self;
      if (name === "beforeResume") return (step: ResumeStep) => steps.push(step);
      if (name === "topology") {
        return new Proxy(target.topology, {
          get(topology, each) {
            const value = Reflect.get(topology, each, topology);
            if (each !== "processes")
              return typeof value === "function" ? value.bind(topology) : value;
            return async () => {
              const all = await topology.processes();
              return all.map((entry) => ({ ...entry, ...self }));
            };
          },
        });
      }
      if (name === "keyValue") {
        return async (bucket: string) => {
          const keys = await target.keyValue(bucket);
          return bucket === SEAT_BUCKET ? wrap(keys) : keys;
        };
      }
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const faulty: FaultyBus = {
    bus,
    fate: () => "well",
    async loseLease(isNew) {
      if (isNew) self = { id: self.id, incarnation: `${self.incarnation}+` };
      for (const step of steps) await step(isNew);
    },
  };
  return faulty;
}
