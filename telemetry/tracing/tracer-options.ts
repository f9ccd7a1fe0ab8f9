/**
 * How a tracer works, unless said otherwise. Pure.
 */

/** How a tracer works. */
export interface TracerOptions {
  /** Share of new traces that are recorded, 0 to 1; default 0. */
  readonly ratio: number;
  /** Spans kept in memory for `tidegatectl trace`, some 1 kB each; default 4096. */
  readonly ringCountMax: number;
}

/** In force unless said otherwise. */
export const TRACER_DEFAULTS: TracerOptions = { ratio: 0, ringCountMax: 4096 };
