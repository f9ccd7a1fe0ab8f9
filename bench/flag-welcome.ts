/**
 * What 50 flags cost each Welcome: the context, the evaluation, and the frame.
 */
import { newConnection } from "../gateway/connection.ts";
import type { GatewayContext } from "../gateway/context.ts";
import type { ApplyRecord } from "../gateway/control-link/control-feed.ts";
import { ClientFlags } from "../gateway/flags/client-flags.ts";
import { makeIdentity } from "../gateway/identity.ts";
import { Flags } from "../proto/gen/tidegate/client/v1/flag.ts";
import { FlagSet } from "../proto/gen/tidegate/control/v1/flag_set.ts";

/** Flags of a Welcome. */
export const FLAG_COUNT = 50;

const base = { state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off" };
/** One of each kind of rule, in turn. */
const rules = [
  undefined,
  {
    fractional: [
      ["on", 50],
      ["off", 50],
    ],
  },
  { if: [{ sem_ver: [{ var: "client.version" }, ">=", "2.0.0"] }, "on", "off"] },
  { if: [{ in: [{ var: "tenant" }, ["acme", "globex", "initech"]] }, "on"] },
  {
    if: [
      { and: [{ "==": [{ var: "plan" }, "gold"] }, { ends_with: [{ var: "user" }, "@a.com"] }] },
      "on",
    ],
  },
] as const;

/** A definition of so many flags for clients. */
export function manyFlags(count: number): string {
  const flags = Array.from({ length: count }, (_, i) => {
    const targeting = rules[i % rules.length];
    return [`flag-${i}`, { ...base, ...(targeting === undefined ? {} : { targeting }) }] as const;
  });
  return JSON.stringify({ metadata: { client: true }, flags: Object.fromEntries(flags) });
}

/** CPU time of each, microseconds. */
export interface WelcomeCost {
  /** Context and evaluation. */
  readonly evaluateUs: number;
  /** These, and encoding. */
  readonly encodedUs: number;
  /** Values that were true, over all: the same work gives the same. */
  readonly trueCount: number;
}

/** Makes `count` Welcomes of different users. */
export async function measureWelcome(count: number): Promise<WelcomeCost> {
  let apply: ApplyRecord = () => null;
  const follow = (_: string, each: ApplyRecord) => {
    apply = each;
  };
  const flags = new ClientFlags({ follow, version: 1, ageMs: 0 });
  const context = { gatewayId: "bench", options: { region: "eu" }, flags } as const;
  const gateway = context as unknown as GatewayContext;
  flags.start(gateway, new Set());
  const record = { ...FlagSet.decode(new Uint8Array(0)), definition: manyFlags(FLAG_COUNT) };
  apply("flags.bench", FlagSet.encode(record).finish());
  await flags.ready();
  let trueCount = 0;
  const welcome = (i: number): Flags => {
    const connection = newConnection(i);
    connection.profile = profiles[i % profiles.length] ?? null;
    const identity = makeIdentity({
      ...{ tenant: "globex", user: `user-${i}@a.com`, grants: [] },
      attributes: { plan: i % 2 === 0 ? "gold" : "tin" },
    });
    return flags.welcome(gateway, connection, identity) ?? noFlags;
  };
  for (let i = 0; i < Math.min(count, WARM_COUNT); i += 1) Flags.encode(welcome(i)).finish();
  const time = (work: (i: number) => void) => {
    const before = process.cpuUsage(); // of all threads, so the collector's work is in it
    for (let i = 0; i < count; i += 1) work(i);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / count;
  };
  const evaluateUs = time((i) => {
    for (const { valueJson } of welcome(i).flags) if (valueJson === "true") trueCount += 1;
  });
  const encodedUs = time((i) => {
    Flags.encode(welcome(i)).finish();
  });
  flags.close();
  return { evaluateUs, encodedUs, trueCount };
}

/** Before it is measured, so that it is compiled. */
const WARM_COUNT = 500;
const noFlags = Flags.decode(new Uint8Array(0));
const profiles = ["1.9.0", "2.1.0", "2.2.0"].map((version) => ({
  ...{ build: { name: "app", version, platform: "browser" }, region: "", attributes: [] },
}));
