/**
 * `micro`: the hot functions of the gateway alone, in this process: time and heap bytes a call.
 *
 * Their budgets stand in their docstrings. Times here say what a change to one function did; what
 * it means for a server, `fanout` and `durable` say.
 */
import { encodeEnvelope } from "../bus/envelope.ts";
import { emptyHeaders, scanHeaders } from "../bus/nats/header-scan.ts";
import { readPlainAck } from "../bus/nats/pub-ack.ts";
import { oneHeader } from "../bus/nats/raw-headers.ts";
import { PublishScan } from "../gateway/publish-scan.ts";
import { encodePublishAck, MessageFrameWriter } from "../gateway/server-frames.ts";
import { ClientFrame } from "../proto/gen/tidegate/client/v1/frame.ts";
import { PAYLOAD_BYTES } from "./load/payload.ts";
import { traceSubjects } from "./micro-traces.ts";
import type { BenchOptions } from "./options.ts";
import { type BenchReport, type Spread, shownSpread, spreadOf } from "./report.ts";

/** A function under measurement: does its work once and returns a number that depends on it. */
interface Subject {
  readonly name: string;
  readonly call: (i: number) => number;
}

interface MicroFigures {
  readonly name: string;
  readonly nsPerCall: number;
  readonly heapBytesPerCall: number;
  readonly hash: number;
}

/** Calls of one measurement; at 100 ns each a tenth of a second. */
const CALLS = 1_000_000;
const TINY_CALLS = 1000;
/** Calls for the heap figure: few enough that no collection falls between the two readings. */
const HEAP_CALLS = 2000;
const RUNS_DEFAULT = 5;
/** A fixed time, so that the bytes and the hash are the same in every run. */
const TIME_US = 1_800_000_000_000_000;

/** What a server adds to a durable message that it republishes, and what we had put there. */
const REPUBLISHED_HEADERS = [
  "NATS/1.0",
  "Nats-Msg-Id: abcdefghijklmnopqrstuv.ABCDEFGHIJKLMNOPQRSTUV.77",
  "Nats-Stream: TG_3",
  "Nats-Subject: tg.in.0-515.1.default=_chat=3alobby",
  "Nats-Sequence: 12345678",
  "Nats-Time-Stamp: 2026-11-22T11:30:00.123456789Z",
  "Nats-Last-Sequence: 12345601",
  "",
  "",
].join("\r\n");
const MESSAGE_ID_PREFIX = "abcdefghijklmnopqrstuv.ABCDEFGHIJKLMNOPQRSTUV.";

export function benchMicro(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const subjects = buildSubjects().filter((subject) => subject.name.includes(options.only));
  const calls = options.isTiny ? TINY_CALLS : CALLS;
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: MicroFigures[] = [];
  for (const subject of subjects) measure(subject, calls); // compiles it
  for (let round = 0; round < rounds; round += 1) {
    for (const subject of subjects) runs.push(measure(subject, calls));
    progress(`round ${round + 1}/${rounds} done`);
  }
  return Promise.resolve(report(subjects, runs));
}

function report(subjects: readonly Subject[], runs: readonly MicroFigures[]): BenchReport {
  const measures: Record<string, Spread> = {};
  const rows = subjects.map(({ name }) => {
    const own = runs.filter((run) => run.name === name);
    const time = spreadOf(own.map((run) => run.nsPerCall));
    const heap = spreadOf(own.map((run) => run.heapBytesPerCall));
    measures[`micro/${name}/ns`] = time;
    measures[`micro/${name}/heap-bytes`] = heap;
    return {
      function: name,
      "ns/call (min to max)": shownSpread(time),
      "heap B/call": heap.median,
    };
  });
  const hash = runs.reduce((sum, run) => (sum + run.hash) >>> 0, 0);
  return { bench: "micro", measures, runs, rows, hash: hash.toString(16), problems: [], notes: [] };
}

function measure(subject: Subject, calls: number): MicroFigures {
  let hash = 0;
  const before = performance.now();
  for (let i = 0; i < calls; i += 1) hash = (hash + subject.call(i)) >>> 0;
  const nsPerCall = ((performance.now() - before) * 1e6) / calls;
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  for (let i = 0; i < HEAP_CALLS; i += 1) hash = (hash + subject.call(i)) >>> 0;
  const heapBytes = process.memoryUsage().heapUsed - heapBefore;
  return {
    name: subject.name,
    nsPerCall,
    heapBytesPerCall: Math.max(0, heapBytes / HEAP_CALLS),
    hash,
  };
}

function buildSubjects(): readonly Subject[] {
  const payload = Buffer.alloc(PAYLOAD_BYTES, "tidegate ");
  const byAlias = publishFrame({ $case: "roomAlias", value: 300 }, payload);
  const byName = publishFrame({ $case: "room", value: "chat:lobby" }, payload);
  const scan = new PublishScan();
  const writer = new MessageFrameWriter();
  const producer = "0123456789abcdef";
  const fields = { firstSentUs: TIME_US, user: "", producer, producerSeq: 77 };
  const envelope = encodeEnvelope(fields, payload);
  const found = emptyHeaders();
  const republished = Buffer.from(REPUBLISHED_HEADERS);
  const pubAck = Buffer.from('{"stream":"TG_3","seq":12345678}');
  const position = { epoch: 1, seq: 123_456, timeUs: TIME_US };
  const scanOf = (frame: Buffer) => (): number => {
    scan.scan(frame);
    return scan.payloadStart + scan.producerSeq;
  };
  return [
    { name: "scan-publish-by-alias", call: scanOf(byAlias) },
    { name: "scan-publish-by-name", call: scanOf(byName) },
    { name: "encode-envelope", call: () => encodeEnvelope(fields, payload).length },
    { name: "frame-ephemeral", call: (i) => writer.ephemeral(300, i + 1, envelope).length },
    { name: "frame-durable", call: () => writer.durable(300, position, 123_455, envelope).length },
    {
      name: "scan-nats-headers",
      call: () => {
        scanHeaders(republished, found);
        return found.seq + found.timeUs;
      },
    },
    { name: "read-pub-ack", call: () => readPlainAck(pubAck) },
    {
      name: "one-nats-header",
      call: (i) => (oneHeader("Nats-Msg-Id", `${MESSAGE_ID_PREFIX}${i}`) === null ? 0 : i),
    },
    { name: "encode-ack", call: (i) => encodePublishAck(i + 1, position, false).length },
    ...traceSubjects(payload, TIME_US),
  ];
}

function publishFrame(
  target: { $case: "roomAlias"; value: number } | { $case: "room"; value: string },
  payload: Buffer,
): Buffer {
  const publish = {
    requestId: 7,
    target,
    producerSeq: 77n,
    firstSentUs: BigInt(TIME_US),
    traceparent: "",
    payload,
  };
  const frame = { $case: "publish" as const, value: publish };
  return Buffer.from(ClientFrame.encode({ frame }).finish());
}
