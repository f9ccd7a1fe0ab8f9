/**
 * The stream to a control plane: to one of several, to the next when it ends, with back-off.
 *
 * Nothing waits for it: the bus's KV brings the same records (control-feed.ts). gRPC is imported
 * when the first stream is opened, since a start must not wait for it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelCredentials, ClientDuplexStream } from "@grpc/grpc-js";
import type {
  StreamRoutingRequest,
  StreamRoutingResponse,
} from "../../proto/gen/tidegate/control/v1/routing_service.ts";
import type { Tracer } from "../../telemetry/tracing/tracer.ts";
import type { Log } from "../log.ts";
import type { Traffic } from "../traffic.ts";
import { Acks } from "./acks.ts";
import type { Addresses } from "./addresses.ts";
import { backOffMs } from "./back-off.ts";
import type { ControlFeed } from "./control-feed.ts";
import { LinkTrace } from "./link-trace.ts";
import { loadReport } from "./load-report.ts";
import { Updates } from "./update.ts";

/** A control plane that has not said anything by then is left for the next, ms. */
const FIRST_WORD_MS = 5000;
/** One that says nothing for so long is left: it speaks every 5 s. */
const SILENCE_MS = 15_000;
/** How often the load is reported, ms. */
const REPORT_MS = 10_000;
/** A dead connection is known after twice this, ms. */
const KEEPALIVE_MS = 5000;
/** Bytes of one message: a record has 512 KiB at most, an update of several 128 KiB. */
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Where control planes are, and who we are to them. */
export interface ControlLinkOptions {
  /** "host:port" of each; at least one. */
  readonly urls: readonly string[];
  /** Read anew for each stream, since tokens end; "" for none. */
  token(): string;
  /** Read anew likewise; null for a connection without TLS. */
  tls(): LinkTls | null;
}

/** PEM texts. */
export interface LinkTls {
  /** Empty: the system's authorities. */
  readonly ca: string;
  /** Empty without mutual TLS. */
  readonly cert: string;
  readonly key: string;
  /** It is the control plane of this very process, whatever name its certificate has. */
  readonly isOwn: boolean;
}

/** What the link works on. */
export interface ControlLinkParts {
  readonly gatewayId: string;
  readonly feed: ControlFeed;
  readonly addresses: Addresses;
  readonly traffic: Traffic;
  readonly tracer: Tracer;
  readonly log: Log;
}

/** For /health. */
export interface ControlLinkState {
  /** Of the control plane that is followed or tried. */
  readonly url: string;
  readonly isConnected: boolean;
  /** Why the last stream ended; empty before. */
  readonly detail: string;
}

type Stream = ClientDuplexStream<StreamRoutingRequest, StreamRoutingResponse>;

/** The link of one gateway. */
export class ControlLink {
  readonly #parts: ControlLinkParts;
  readonly #options: ControlLinkOptions;
  readonly #abort = new AbortController();
  readonly #ended: Promise<void>;
  #state: ControlLinkState;
  #version = 0;
  #reportedMs = performance.now();

  constructor(parts: ControlLinkParts, options: ControlLinkOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#state = { url: options.urls[0] ?? "", isConnected: false, detail: "" };
    this.#ended = this.#run();
  }

  get state(): ControlLinkState {
    return this.#state;
  }

  /** Ends the stream; resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { urls } = this.#options;
    const { log } = this.#parts;
    const { signal } = this.#abort;
    let at = Math.floor(Math.random() * urls.length);
    let failedCount = 0;
    while (!signal.aborted) {
      const url = urls[at % urls.length] ?? "";
      this.#state = { ...this.#state, url, isConnected: false };
      const { hasWorked, reason } = await this.#follow(url);
      if (signal.aborted) return;
      failedCount = hasWorked ? 0 : failedCount + 1;
      if (hasWorked || failedCount === 1) log.warn({ url, reason }, "no control plane is followed");
      this.#state = { url, isConnected: false, detail: reason };
      at += 1;
      const waitMs = backOffMs(failedCount, urls.length, Math.random());
      // Cut short when it closes: the loop ends by itself then.
      await sleep(waitMs, null, { ref: false, signal }).catch(() => null);
    }
  }

  /** Follows one control plane until its stream ends. */
  async #follow(url: string): Promise<{ hasWorked: boolean; reason: string }> {
    const [grpc, { RoutingServiceClient }] = await Promise.all([
      import("@grpc/grpc-js"),
      import("../../proto/gen/tidegate/control/v1/routing_service.ts"),
    ]);
    if (this.#abort.signal.aborted) return { hasWorked: false, reason: "the gateway stops" };
    let credentials: ChannelCredentials;
    const metadata = new grpc.Metadata();
    try {
      const tls = this.#options.tls();
      credentials = tls === null ? grpc.credentials.createInsecure() : secure(grpc, tls);
      const token = this.#options.token();
      if (token !== "") metadata.set("authorization", `Bearer ${token}`);
    } catch (error) {
      return { hasWorked: false, reason: error instanceof Error ? error.message : String(error) };
    }
    const client = new RoutingServiceClient(url, credentials, {
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_MS,
      "grpc.enable_retries": 0,
      "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
      "grpc.use_local_subchannel_pool": 1,
    });
    const { tracer, gatewayId } = this.#parts;
    const trace = new LinkTrace(tracer, url, gatewayId);
    trace.tell(metadata);
    try {
      const end = await this.#stream(client.streamRouting(metadata), url);
      trace.end(end.hasWorked || this.#abort.signal.aborted, end.reason);
      return end;
    } finally {
      client.close();
    }
  }

  #stream(stream: Stream, url: string): Promise<{ hasWorked: boolean; reason: string }> {
    const { feed, addresses, gatewayId, log } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<string>();
    const updates = new Updates(feed, addresses, this.#version);
    const acks = new Acks((value) => stream.write({ message: { $case: "ack", value } }));
    let hasWorked = false;
    let watchdog = setTimeout(() => stream.cancel(), FIRST_WORD_MS).unref();
    const report = setInterval(() => this.#report(stream), REPORT_MS).unref();
    const stop = () => stream.cancel();
    this.#abort.signal.addEventListener("abort", stop);
    stream.on("data", (response: StreamRoutingResponse) => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => stream.cancel(), SILENCE_MS).unref();
      if (!hasWorked) log.info({ url, version: this.#version }, "a control plane is followed");
      hasWorked = true;
      const ack = updates.take(response);
      this.#version = updates.version;
      this.#state = { url, isConnected: true, detail: "" };
      if (ack !== null) acks.add(ack);
    });
    stream.on("error", (error) => resolve(error.message));
    stream.on("end", () => resolve("it has ended the stream"));
    const hello = { gateway: `gateways/${gatewayId}`, version: BigInt(this.#version) };
    stream.write({ message: { $case: "hello", value: hello } });
    return promise
      .then((reason) => ({ hasWorked, reason }))
      .finally(() => {
        clearTimeout(watchdog);
        clearInterval(report);
        acks.close();
        this.#abort.signal.removeEventListener("abort", stop);
        stream.cancel();
      });
  }

  #report(stream: Stream): void {
    // What it has not read yet is not added to: the next report has the same counts and more.
    if (!this.#state.isConnected || stream.writableLength > 0) return;
    const nowMs = performance.now();
    const spanMs = nowMs - this.#reportedMs;
    this.#reportedMs = nowMs;
    const value = loadReport(this.#parts.traffic.take(), spanMs);
    stream.write({ message: { $case: "load", value } });
  }
}

function secure(
  grpc: typeof import("@grpc/grpc-js"),
  { ca, cert, key, isOwn }: LinkTls,
): ChannelCredentials {
  const [ownKey = null, ownCert = null] = cert === "" ? [] : [Buffer.from(key), Buffer.from(cert)];
  const authority = ca === "" ? null : Buffer.from(ca);
  const verify = isOwn ? { rejectUnauthorized: false } : {};
  return grpc.credentials.createSsl(authority, ownKey, ownCert, verify);
}
