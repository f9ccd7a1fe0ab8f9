/**
 * The part of the process's options that says what it tells of itself, and where.
 */
import { decimal, integer, row, text } from "./option-kind.ts";
import type { OptionName, OptionValues } from "./options.ts";
import { CodedError } from "./proto/coded-error.ts";
import type { TelemetryOptions } from "./telemetry/process-telemetry.ts";
import { TRACER_DEFAULTS } from "./telemetry/tracing/tracer-options.ts";

/** Rows of the table in options.ts. */
export const TELEMETRY_ROWS = [
  row(
    "TRACE_RATIO",
    decimal(0, 1),
    TRACER_DEFAULTS.ratio,
    "Share of messages that are traced; those that ask for it, and errors, are whatever it is.",
  ),
  row(
    "TRACE_RING",
    integer(0, 100_000),
    TRACER_DEFAULTS.ringCountMax,
    "Newest spans kept in memory for `tidegatectl trace`, some 1 kB each.",
  ),
  row(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    text,
    "",
    "http://host:port of a collector that takes spans and metrics by OTLP over gRPC; empty: none.",
  ),
  row(
    "OTEL_METRIC_EXPORT_INTERVAL",
    integer(1000, 3_600_000),
    60_000,
    "Milliseconds from one push of metrics to OTEL_EXPORTER_OTLP_ENDPOINT to the next.",
  ),
  row("OTEL_SERVICE_NAME", text, "tidegate", "service.name of what is sent."),
] as const;

/** These options, from those of the process. */
export function telemetryOptions(options: OptionValues): TelemetryOptions {
  return {
    traceRatio: Number(options.text("TRACE_RATIO")),
    traceRing: options.integer("TRACE_RING"),
    endpoint: options.text("OTEL_EXPORTER_OTLP_ENDPOINT"),
    metricIntervalMs: options.integer("OTEL_METRIC_EXPORT_INTERVAL"),
    serviceName: options.text("OTEL_SERVICE_NAME"),
  };
}

/** @throws {CodedError} `OPTION_INVALID`: an endpoint that is no URL. */
export function checkTelemetry(read: (name: OptionName) => string): void {
  const endpoint = read("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (endpoint === "" || (URL.canParse(endpoint) && /^https?:\/\//.test(endpoint))) return;
  const detail = `OTEL_EXPORTER_OTLP_ENDPOINT is "${endpoint}", must be http://host:port or https`;
  throw new CodedError("OPTION_INVALID", detail);
}
