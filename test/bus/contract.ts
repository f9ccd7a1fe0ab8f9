/**
 * The contract of the bus: what both implementations promise, called once by each.
 *
 * Rules assume nothing of one implementation: delivery may be asynchronous, epochs may start
 * anywhere, sequences may have holes, and other rules may use the same store (every rule makes its
 * own rooms, producers and key prefixes).
 */
import { onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { askRules } from "./contract-asks.ts";
import { commitRules } from "./contract-commits.ts";
import { closeRules, durableRules, nameRules } from "./contract-durable.ts";
import { groupRules } from "./contract-groups.ts";
import { journalRules } from "./contract-journal.ts";
import { keyRules, watchRules } from "./contract-keys.ts";
import { liveRules } from "./contract-live.ts";
import { readRules } from "./contract-reads.ts";
import { shardRules } from "./contract-shards.ts";
import { topologyRules } from "./contract-topology.ts";

/** Rules an implementation can not keep: title and reason. */
export type Skip = Readonly<Record<string, string>>;

/** Declares one rule; its bus is opened before it and closed after it. */
export type DeclareRule = (title: string, body: (bus: Bus) => Promise<void>) => void;

/**
 * Declares the whole contract as tests.
 *
 * @param name of the implementation; leads every title.
 * @param open a bus for one rule; the rule closes it.
 * @throws {Error} when `skip` names a rule that does not exist.
 */
export function busContract(name: string, open: () => Promise<Bus>, skip: Skip = {}): void {
  const unknown = new Set(Object.keys(skip));
  const rule: DeclareRule = (title, body) => {
    unknown.delete(title);
    const reason = skip[title];
    const full = reason === undefined ? title : `${title} (skipped: ${reason})`;
    test.skipIf(reason !== undefined)(`${name}: ${full}`, async () => {
      const bus = await open();
      onTestFinished(() => bus.close());
      await body(bus);
    });
  };
  liveRules(rule);
  durableRules(rule);
  nameRules(rule);
  readRules(rule);
  keyRules(rule);
  watchRules(rule);
  commitRules(rule);
  topologyRules(rule);
  shardRules(rule);
  groupRules(rule);
  askRules(rule);
  journalRules(rule);
  closeRules(rule);
  if (unknown.size > 0) throw new Error(`no such rules to skip: ${[...unknown].join(", ")}`);
}
