/**
 * The configuration of one gateway: the feed of its records, the other gateways' addresses, and the
 * link to a control plane, once it is told where there is one.
 */
import { NO_TRACER, type Tracer } from "../../telemetry/tracing/tracer.ts";
import type { Log } from "../log.ts";
import type { Traffic } from "../traffic.ts";
import { Addresses } from "./addresses.ts";
import { ControlFeed } from "./control-feed.ts";
import { ControlLink, type ControlLinkOptions, type ControlLinkState } from "./control-link.ts";

/** For /health. */
export interface ConfigStatus {
  /** Whether all of it has come since the start; what is known then stays, whoever goes away. */
  readonly isReceived: boolean;
  readonly version: number;
  readonly ageMs: number;
  readonly trouble: string;
  /** Null where no control plane is followed. */
  readonly link: ControlLinkState | null;
}

/** What a gateway knows of the configuration, and how. */
export class GatewayConfig {
  readonly feed: ControlFeed;
  readonly addresses = new Addresses();
  readonly #log: Log;
  readonly #gatewayId: string;
  #link: ControlLink | null = null;

  constructor(gatewayId: string, log: Log) {
    this.#gatewayId = gatewayId;
    this.#log = log;
    this.feed = new ControlFeed(log);
  }

  /** Follows control planes beside the bus, and reports `traffic` to them. Called once. */
  follow(options: ControlLinkOptions, traffic: Traffic, tracer: Tracer = NO_TRACER): void {
    const { feed, addresses } = this;
    const own = { gatewayId: this.#gatewayId, log: this.#log };
    const parts = { ...own, feed, addresses, traffic, tracer };
    this.#link = new ControlLink(parts, options);
  }

  get status(): ConfigStatus {
    const { isReceived, version, ageMs, trouble } = this.feed;
    return { isReceived, version, ageMs, trouble, link: this.#link?.state ?? null };
  }

  /** Follows nothing more. */
  async close(): Promise<void> {
    this.feed.close();
    await this.#link?.close();
  }
}
