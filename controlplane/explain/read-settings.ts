/**
 * Limits, version gates and flags that hold for a user now, by the configuration and the build that
 * was seen last.
 */
import type { Bus } from "../../bus/bus.ts";
import type { ExplainSetting } from "../../proto/gen/tidegate/control/v1/explain.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import { enumName } from "../audit/enum-name.ts";
import type { ControlStore } from "../control-store.ts";
import { FlagCalls } from "../flags/flag-service.ts";
import { FlagSetStore } from "../flags/flag-set-store.ts";
import { VersionGateCalls } from "../gates/version-gate-service.ts";
import { LimitCalls } from "../limit-service.ts";
import type { ExplainFacts } from "./facts.ts";

/** Flags of one answer; a tenant with more looks them up by `flags test`. */
const FLAG_COUNT_MAX = 200;

/** What clients say of themselves, as far as it was seen. */
interface Build {
  readonly clientName: string;
  readonly clientVersion: string;
  readonly clientPlatform: string;
  readonly clientRegion: string;
  readonly attributesJson: string;
}

/** All of them. Throws `UNAVAILABLE`. */
export async function readSettings(
  bus: Bus,
  store: ControlStore,
  facts: ExplainFacts,
  tenant: string,
): Promise<ExplainSetting[]> {
  const build = lastBuild(facts);
  const { user, room } = facts;
  const [limits, gates, flags] = await Promise.all([
    readLimits(bus, store, tenant),
    readGates(bus, store, tenant, user, room, build),
    readFlags(bus, store, tenant, user, build),
  ]);
  return [...limits, ...gates, ...flags];
}

/** Of the newest connection: flags and gates ask for it. */
function lastBuild({ entries, gateways }: ExplainFacts): Build {
  const opened = entries.findLast(({ record }) => record.what?.$case === "opened")?.record.what;
  if (opened?.$case === "opened") return opened.value;
  const [live] = [...gateways.values()].flatMap(({ connections }) => connections ?? []);
  const none = { clientName: "", clientVersion: "", clientPlatform: "", clientRegion: "" };
  return { ...none, ...live, attributesJson: "" };
}

async function readLimits(bus: Bus, store: ControlStore, tenant: string) {
  const calls = new LimitCalls(store, bus);
  const parent = `tenants/${tenant}`;
  const { limits } = await calls.list({ parent, pageSize: 0, pageToken: "" });
  const set = limits.filter(({ value }) => value > 0n);
  return set.map(({ name, value }) => {
    return {
      kind: "limit",
      name: name.slice(name.lastIndexOf("/") + 1),
      value: `${value}`,
      reason: "",
    };
  });
}

async function readGates(
  bus: Bus,
  store: ControlStore,
  tenant: string,
  user: string,
  room: string,
  { clientName: client, clientVersion: version, clientPlatform: platform }: Build,
) {
  const calls = new VersionGateCalls(store, bus);
  const request = { tenant: `tenants/${tenant}`, client, version, platform, user, room };
  const {
    connection,
    room: ofRoom,
    findings,
  } = await calls.test({
    ...request,
    versionGate: undefined,
  });
  const verdicts = [
    { about: "connection", verdict: connection },
    { about: room, verdict: ofRoom },
  ];
  return verdicts.flatMap(({ about, verdict }) => {
    if (verdict === undefined || verdict.gate === "") return [];
    const why = findings.find(({ gate }) => gate === verdict.gate)?.reason ?? "";
    const value = `${enumName(GateAction, verdict.action)} for ${about}`;
    return [{ kind: "gate", name: verdict.gate.replace("versionGates/", ""), value, reason: why }];
  });
}

async function readFlags(
  bus: Bus,
  store: ControlStore,
  tenant: string,
  user: string,
  build: Build,
) {
  const calls = new FlagCalls(new FlagSetStore(store), bus);
  const { clientName, clientVersion, clientPlatform, clientRegion, attributesJson } = build;
  const { answers } = await calls.test({
    ...{ tenant, user, clientName, clientVersion, clientPlatform, clientRegion, attributesJson },
    ...{ clientAttributes: {}, gateway: "", region: "", keys: [], flagSet: undefined },
  });
  return answers.slice(0, FLAG_COUNT_MAX).map(({ key, valueJson, variant, reason }) => {
    return { kind: "flag", name: key, value: valueJson, reason: `${variant} (${reason})` };
  });
}
