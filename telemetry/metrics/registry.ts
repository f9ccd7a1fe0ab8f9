/**
 * Where the metrics of a process come together: parts write what they have when somebody asks.
 *
 * Parts keep plain numbers and histograms of their own; nothing is done here between two readings.
 * Only main.ts makes a registry.
 */
import { CATALOGUE, type MetricName } from "./catalogue.ts";
import type { Histogram } from "./histogram.ts";
import type { MetricRow } from "./metric-row.ts";

/**
 * Series of one family; beyond it the next are left out, and counted. The largest, of a fleet of
 * 300 gateways, has 1500.
 */
export const SERIES_COUNT_MAX = 2000;

/** Values of labels by name, as the catalogue lists them. */
export type Labels = Readonly<Record<string, string>>;

/** One series, or a histogram's. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number | Histogram;
}

/** All series of a name. */
export interface Family {
  readonly name: MetricName;
  readonly row: MetricRow;
  readonly samples: readonly Sample[];
}

/** Takes what a part tells. */
export interface MetricSink {
  /** @param labels those of the metric's row, all of them. */
  put(name: MetricName, value: number | Histogram, labels?: Labels): void;
  /** One series for each key, which is the value of the row's only label. */
  putEach(name: MetricName, values: Readonly<Record<string, number>>): void;
}

/** Tells what a part has, all of it at each call. */
export type CollectMetrics = (sink: MetricSink) => void | Promise<void>;

/** See the file's header. */
export class MetricRegistry {
  readonly #common: Labels;
  readonly #collectors: CollectMetrics[] = [];
  #droppedCount = 0;

  /** @param common labels of every series: who tells it. */
  constructor(common: Labels) {
    this.#common = common;
  }

  /** Asks `collect` at each reading from now on. */
  add(collect: CollectMetrics): void {
    this.#collectors.push(collect);
  }

  /** What all parts tell now, in the catalogue's order. Rejects when a part can not tell. */
  async read(): Promise<Family[]> {
    const reading = new Reading(this.#common);
    for (const collect of this.#collectors) await collect(reading);
    this.#droppedCount += reading.droppedCount;
    reading.put("tidegate_metrics_series_dropped_total", this.#droppedCount);
    return reading.families();
  }
}

class Reading implements MetricSink {
  droppedCount = 0;
  readonly #common: Labels;
  readonly #samples = new Map<MetricName, Sample[]>();

  constructor(common: Labels) {
    this.#common = common;
  }

  put(name: MetricName, value: number | Histogram, labels: Labels = {}): void {
    let samples = this.#samples.get(name);
    if (samples === undefined) {
      samples = [];
      this.#samples.set(name, samples);
    }
    if (samples.length >= SERIES_COUNT_MAX) this.droppedCount += 1;
    else samples.push({ labels: { ...this.#common, ...labels }, value });
  }

  putEach(name: MetricName, values: Readonly<Record<string, number>>): void {
    const [label = ""] = CATALOGUE[name].labels;
    for (const [key, value] of Object.entries(values)) this.put(name, value, { [label]: key });
  }

  families(): Family[] {
    return (Object.keys(CATALOGUE) as MetricName[]).flatMap((name) => {
      const samples = this.#samples.get(name);
      return samples === undefined ? [] : [{ name, row: CATALOGUE[name], samples }];
    });
  }
}
