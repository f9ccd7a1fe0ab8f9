/**
 * `tidegatectl pub`: lines in, messages out, each acknowledged.
 */
import { createReadStream } from "node:fs";
import { addAbortSignal } from "node:stream";
import type { Client } from "../sdk/typescript/index.ts";
import { type Context, note, type Target } from "./context.ts";
import { Failure, usageError } from "./failure.ts";
import { withGateway } from "./gateway-client.ts";
import { LineTooLong, splitLines } from "./lines.ts";
import { traceEach } from "./trace-publishes.ts";

/** Options of `pub`. */
export interface PubOptions {
  /** Messages from the command line; when there are any, nothing is read. */
  readonly messages: readonly string[];
  /** File to read, or "-" for stdin. */
  readonly file: string;
  /** Messages a second, or 0 for as fast as acknowledgements come. */
  readonly rate: number;
  /** The whole input is one message. */
  readonly isWhole: boolean;
  /** No summary on stderr. */
  readonly isQuiet: boolean;
  /** A trace of each message is asked for, and its id printed. */
  readonly isTraced: boolean;
}

/** Publishes not yet acknowledged; more of them gain no speed. */
const inFlightMax = 512;
/** Progress is told after this, and then this often. Milliseconds. */
const progressMs = 1000;
/** Bytes of a --whole input; a gateway takes less, and says so. */
const wholeBytesMax = 1024 * 1024;

/** How far it has come. */
interface Progress {
  sent: number;
  acked: number;
  duplicates: number;
  failure: unknown;
}

/** Publishes; stops at the first failure, after the answers that are still due. */
export async function pub(
  context: Context,
  target: Target,
  version: string,
  room: string,
  options: PubOptions,
): Promise<void> {
  const startMs = performance.now();
  const progress: Progress = { sent: 0, acked: 0, duplicates: 0, failure: null };
  const source = readMessages(context, options);
  const tracing = options.isTraced ? traceEach((id) => tellTrace(context, id)) : undefined;
  await withGateway(context, target, { version, tracing }, "finish", async (client) => {
    if (options.messages.length === 0 && options.file === "-" && context.isKeyboard) {
      note(context, `each line is a message to ${room}; Ctrl-D ends`);
    }
    let toldCount = 0;
    const ticker = setInterval(() => {
      if (options.isQuiet || context.isKeyboard || progress.acked === toldCount) return;
      toldCount = progress.acked;
      note(context, `${progress.acked} of ${progress.sent} acknowledged …`);
    }, progressMs);
    try {
      await publishAll(client, room, source, options.rate, progress, context.signal);
    } finally {
      clearInterval(ticker);
    }
  });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  if (!options.isQuiet) {
    note(context, `${progress.acked} of ${progress.sent} messages acknowledged in ${seconds} s`);
  }
  if (progress.failure !== null) throw progress.failure;
}

function tellTrace(context: Context, traceId: string): void {
  if (traceId !== "") context.stdout.write(`${traceId}\n`);
  else note(context, "the gateway does not trace it: that takes the capability trace");
}

async function publishAll(
  client: Client,
  room: string,
  source: AsyncIterable<Uint8Array>,
  rate: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const inFlight = new Set<Promise<void>>();
  const startMs = performance.now();
  for await (const message of source) {
    if (signal.aborted || progress.failure !== null) break;
    if (rate > 0) await waitUntil(startMs + (progress.sent * 1000) / rate, signal);
    if (signal.aborted || progress.failure !== null) break;
    progress.sent += 1;
    const publish = client.publish(room, message).then(
      (result) => {
        progress.acked += 1;
        if (result.isDuplicate) progress.duplicates += 1;
      },
      (reason) => {
        progress.failure ??= reason;
      },
    );
    inFlight.add(publish);
    publish.finally(() => inFlight.delete(publish));
    if (inFlight.size >= inFlightMax) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
}

async function* readMessages(context: Context, options: PubOptions): AsyncIterable<Uint8Array> {
  if (options.messages.length > 0) {
    for (const message of options.messages) yield Buffer.from(message);
    return;
  }
  const input = options.file === "-" ? context.stdin : createReadStream(options.file);
  addAbortSignal(context.signal, input);
  try {
    if (options.isWhole) yield await readWhole(input);
    else yield* splitLines(input);
  } catch (reason) {
    if (context.signal.aborted) return; // asked to end: what was read is published
    if (reason instanceof LineTooLong) throw new Failure("PAYLOAD_TOO_LARGE", reason.message);
    if (reason instanceof Error && "syscall" in reason) {
      throw usageError(`the input can not be read: ${reason.message}`, "Name a readable file.");
    }
    throw reason;
  }
}

async function readWhole(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    if (bytes > wholeBytesMax) {
      throw new Failure("PAYLOAD_TOO_LARGE", `the input has more than ${wholeBytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function waitUntil(dueMs: number, signal: AbortSignal): Promise<void> {
  const delayMs = dueMs - performance.now();
  if (delayMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener("abort", done);
  });
}
