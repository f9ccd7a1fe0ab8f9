/**
 * What protects a gateway and its members from those who want too much: rates, blocks of those who
 * go on, the pace of new clients, and what is shed under overload.
 */
import type { Bus } from "../bus/bus.ts";
import type { Clock } from "./clock.ts";
import type { ConnectionLog } from "./connection-log.ts";
import type { Log } from "./log.ts";
import type { GatewayOptions } from "./options.ts";
import { Admission } from "./overload/admission.ts";
import { Overload, type ReadOverload } from "./overload/overload.ts";
import { Abuse } from "./rates/abuse.ts";
import { Blocks } from "./rates/blocks.ts";
import { Rates } from "./rates/rates.ts";
import { StoredUsage } from "./rates/stored-usage.ts";
import type { Limits } from "./seats/limits.ts";
import type { Sender } from "./sender.ts";

/** What guards are made of. */
export interface GuardParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly connectionLog: ConnectionLog;
  readonly options: GatewayOptions;
  readonly limits: Limits;
  readonly sender: Sender;
  /** For tests; null: this process is measured. */
  readonly readOverload: ReadOverload | null;
}

/** See the file's header. */
export interface Guards {
  readonly rates: Rates;
  readonly abuse: Abuse;
  readonly blocks: Blocks;
  readonly stored: StoredUsage;
  readonly overload: Overload;
  readonly admission: Admission;
  close(): void;
}

/** Makes them; they work from now on. */
export function openGuards(parts: GuardParts): Guards {
  const { bus, clock, log, connectionLog, options, limits, sender, readOverload } = parts;
  const blocks = new Blocks(bus, clock, log, options.blockMs);
  blocks.follow();
  const rates = new Rates(limits);
  const stored = new StoredUsage(bus, log);
  const overload = new Overload(bus, log, options.memoryMibMax, readOverload);
  const admission = new Admission(options.admission === "paced");
  return {
    ...{
      rates,
      blocks,
      stored,
      overload,
      admission,
      abuse: new Abuse(blocks, sender, connectionLog),
    },
    close() {
      for (const each of [rates, blocks, stored, overload, admission]) each.close();
    },
  };
}

/** For /health. */
export function guardCounters({ rates, blocks, stored }: Guards): Readonly<Record<string, number>> {
  return {
    refused: rates.refusedCount,
    blocked: blocks.madeCount,
    blocks: blocks.count,
    storage_refused: stored.refusedCount,
    buckets: rates.bucketCount,
  };
}
