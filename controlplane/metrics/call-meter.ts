/**
 * gRPC calls as they are counted: by method and status, and what they take.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { Histogram } from "../../telemetry/metrics/histogram.ts";

export class CallMeter {
  /** By method, then by status. */
  readonly counts = new Map<string, Map<string, number>>();
  /** What unary calls take, refused ones too. */
  readonly latency = new Histogram();
  /** Unary calls in progress, and open streams. */
  presentCount = 0;

  /** A call begins. @returns to be called once at its end, with what it failed with, or null. */
  begin(method: string, isStream: boolean): (reason: unknown) => void {
    const startMs = performance.now();
    this.presentCount += 1;
    return (reason) => {
      this.presentCount -= 1;
      if (!isStream) this.latency.record((performance.now() - startMs) / 1000);
      this.#count(method, reason === null ? "OK" : CodedError.from(reason).info.grpc);
    };
  }

  #count(method: string, status: string): void {
    const counts = this.counts.get(method) ?? new Map<string, number>();
    this.counts.set(method, counts);
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
}
