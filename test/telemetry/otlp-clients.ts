/**
 * Members of a room whose SDKs make spans and export them by OpenTelemetry's own exporters: one in
 * this process, one in Python.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { onTestFinished } from "vitest";
import { text } from "../../sdk/typescript/codec.ts";
import { connect } from "../../sdk/typescript/connect.ts";
import { Tracing } from "../../sdk/typescript/tracing.ts";
import type { OtlpReceiver } from "./otlp-receiver.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** One that is in the room. Ends with its test. */
export interface TracedMember {
  /** Publishes; resolves with the trace id of the ack. */
  publish(text: string): Promise<string>;
  /** Resolves when it has taken this text out of the room's loop. */
  has(text: string): Promise<void>;
}

/** Texts that have come, and who waits for one. */
class Heard {
  readonly #texts = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  add(text: string): void {
    this.#texts.add(text);
    this.#waiting.get(text)?.();
  }

  has(text: string): Promise<void> {
    if (this.#texts.has(text)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.set(text, resolve));
  }
}

/** One with the TypeScript SDK: service "typescript-client". */
export async function joinTypeScript(
  url: string,
  receiver: OtlpReceiver,
  roomName: string,
): Promise<TracedMember> {
  const exporter = new OTLPTraceExporter({ url: receiver.endpoint });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "typescript-client" }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const tracing = new Tracing(provider.getTracer("test"));
  const client = await connect(url, { codec: text, tracing });
  onTestFinished(async () => {
    await client.close();
    await provider.shutdown();
  });
  const room = await client.join(roomName);
  const heard = new Heard();
  void (async () => {
    for await (const event of room) if (event.type === "message") heard.add(event.payload);
  })();
  return {
    publish: async (line) => (await room.publish(line)).traceId,
    has: (line) => heard.has(line),
  };
}

/** One with the Python SDK, in a process of its own: service "python-client". */
export async function joinPython(
  url: string,
  receiver: OtlpReceiver,
  roomName: string,
): Promise<TracedMember> {
  const script = path.join(import.meta.dirname, "traced_client.py");
  const child = spawn(
    path.join(root, ".cache/venv/bin/python"),
    [script, url, receiver.endpoint, roomName],
    {
      env: { PYTHONPATH: path.join(root, "sdk/python") },
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.stdin.end();
    await exited;
  });
  const heard = new Heard();
  const acks: ((traceId: string) => void)[] = [];
  const ready = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const told = JSON.parse(line) as { t: string; text: string; trace: string };
    if (told.t === "ready") ready.resolve();
    else if (told.t === "got") heard.add(told.text);
    else acks.shift()?.(told.trace);
  });
  await Promise.race([
    ready.promise,
    exited.then(([code]) => Promise.reject(new Error(`the Python client ended with ${code}`))),
  ]);
  return {
    publish: (line) => {
      child.stdin.write(`${line}\n`);
      return new Promise((resolve) => acks.push(resolve));
    },
    has: (line) => heard.has(line),
  };
}
