/**
 * What protects a gateway and its members from those who want too much: rates, and blocks of those
 * who go on.
 */
import type { Bus } from "../bus/bus.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import type { GatewayOptions } from "./options.ts";
import { Abuse } from "./rates/abuse.ts";
import { Blocks } from "./rates/blocks.ts";
import { Rates } from "./rates/rates.ts";
import type { Limits } from "./seats/limits.ts";
import type { Sender } from "./sender.ts";

/** What guards are made of. */
export interface GuardParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly options: GatewayOptions;
  readonly limits: Limits;
  readonly sender: Sender;
}

/** See the file's header. */
export interface Guards {
  readonly rates: Rates;
  readonly abuse: Abuse;
  readonly blocks: Blocks;
  close(): void;
}

/** Makes them; they work from now on. */
export function openGuards({ bus, clock, log, options, limits, sender }: GuardParts): Guards {
  const blocks = new Blocks(bus, clock, log, options.blockMs);
  void blocks.follow();
  const rates = new Rates(limits);
  return {
    ...{ rates, blocks, abuse: new Abuse(blocks, sender, log) },
    close() {
      rates.close();
      blocks.close();
    },
  };
}

/** For /health. */
export function guardCounters({ rates, blocks }: Guards): Readonly<Record<string, number>> {
  return {
    refused: rates.refusedCount,
    blocked: blocks.madeCount,
    blocks: blocks.count,
    buckets: rates.bucketCount,
  };
}
