/**
 * Flags of the gateway's own behaviour: `tidegate.*`, asked through OpenFeature whenever flags have
 * changed, and never while messages pass.
 *
 * Each has a default, in force without the flag, and bounds: a value outside them is brought
 * inside. OpenFeature is imported when the first such flag is there.
 */
import { SYSTEM_FLAG_PREFIX } from "../../proto/flags/flag-record.ts";
import type { GatewayContext } from "../context.ts";
import type { FlagState } from "./flag-state.ts";
import type { FlagProvider } from "./provider.ts";

/** Longest window in which acks are gathered, ms. */
const ACK_WINDOW_MS_MAX = 100;

/** What the flags say. */
export interface SystemSettings {
  /**
   * `tidegate.ack-window-ms`: PublishAcks to one connection are gathered for so long, ms, 0 to 100;
   * default 0: those of one turn of the loop. Fewer writes, later acks.
   */
  readonly ackWindowMs: number;
  /** `tidegate.flag-exposures`: whether exposures are counted; default true. */
  readonly countsExposures: boolean;
  /** `tidegate.live-flags`: whether open connections are told of changes; default true. */
  readonly hasLiveFlags: boolean;
}

/** In force without flags. */
export const SYSTEM_DEFAULTS: SystemSettings = {
  ...{ ackWindowMs: 0, countsExposures: true, hasLiveFlags: true },
};

/** Follows the flags of one gateway. */
export class SystemFlags {
  readonly #context: GatewayContext;
  #provider: FlagProvider | null = null;
  #read: () => Promise<SystemSettings> = () => Promise.resolve(SYSTEM_DEFAULTS);
  #settings = SYSTEM_DEFAULTS;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** What is in force. */
  get settings(): SystemSettings {
    return this.#settings;
  }

  /** Asks again, after a change. */
  async take({ flags }: FlagState): Promise<void> {
    const isAny = [...flags.keys()].some((key) => key.startsWith(SYSTEM_FLAG_PREFIX));
    if (!isAny && this.#provider === null) return;
    if (this.#provider === null) await this.#open();
    this.#provider?.tellChanged();
    this.#settings = await this.#read();
    const { ackWindowMs, countsExposures, hasLiveFlags } = this.#settings;
    const { sender, flags: own } = this.#context;
    sender.ackWindowMs = ackWindowMs;
    own.exposures.isOn = countsExposures;
    own.isLive = hasLiveFlags;
  }

  /** Tells what asks whether the flags may be old. */
  tellStale(isStale: boolean): void {
    this.#provider?.tellStale(isStale);
  }

  async #open(): Promise<void> {
    const [{ OpenFeature }, { FlagProvider }] = await Promise.all([
      import("@openfeature/server-sdk"),
      import("./provider.ts"),
    ]);
    const { gatewayId, options, version } = this.#context;
    const provider = new FlagProvider(() => this.#context.flags.state);
    // Of its own, since several gateways may be in one process.
    const domain = `tidegate-${gatewayId}-${crypto.randomUUID()}`;
    await OpenFeature.setProviderAndWait(domain, provider);
    const client = OpenFeature.getClient(domain, {
      ...{ targetingKey: gatewayId, gateway: gatewayId, region: options.region },
      ...{ tenant: "", user: "", client: {}, version },
    });
    this.#provider = provider;
    this.#read = async () => {
      const { ackWindowMs, countsExposures, hasLiveFlags } = SYSTEM_DEFAULTS;
      const window = await client.getNumberValue("tidegate.ack-window-ms", ackWindowMs);
      return {
        ackWindowMs: Math.max(0, Math.min(window, ACK_WINDOW_MS_MAX)),
        countsExposures: await client.getBooleanValue("tidegate.flag-exposures", countsExposures),
        hasLiveFlags: await client.getBooleanValue("tidegate.live-flags", hasLiveFlags),
      };
    };
  }
}
