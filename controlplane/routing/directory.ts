/**
 * Where clients may be sent: the gateways of the fleet as gateways hear of them.
 *
 * Pure. Loads swing all the time, so an entry counts as changed when it changed enough to matter
 * to who picks a target; everything else would be gateways² messages for nothing.
 */
import type { ProcessEntry } from "../../bus/topology.ts";
import { ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import type { GatewayAddress } from "../../proto/gen/tidegate/control/v1/routing.ts";
import { gatewayName } from "../fleet-names.ts";
import { decodeFacts, isSilent } from "../fleet-resources.ts";

/** A part of the limit of connections that a change must pass to be told. */
const CONNECTION_STEP = 0.02;
/** A part of one core. */
const CPU_STEP = 0.1;
/** Connections a second. */
const CONNECT_RATE_STEP = 50;

/** By gateway name. */
export type Directory = ReadonlyMap<string, GatewayAddress>;

/** The directory of these processes. @param nowUs as toGateway wants it. */
export function toDirectory(processes: readonly ProcessEntry[], nowUs: number): Directory {
  const directory = new Map<string, GatewayAddress>();
  for (const entry of processes) {
    const facts = decodeFacts(entry.facts);
    if (facts === undefined) continue;
    const name = gatewayName(entry.id);
    directory.set(name, {
      name,
      advertiseUrl: facts.advertiseUrl,
      region: facts.region,
      accepting: facts.state === ServingState.SERVING && !isSilent(entry, nowUs),
      connectionCount: facts.connectionCount,
      connectionCountMax: facts.connectionCountMax,
      cpuShare: facts.cpuShare,
      connectRate: facts.connectRate,
      version: entry.version,
    });
  }
  return directory;
}

/** What gateways that were told `told` are to be told of `now`. */
export function decideChanges(
  told: Directory,
  now: Directory,
): { changed: GatewayAddress[]; gone: string[] } {
  const changed = [...now.values()].filter((entry) => {
    const before = told.get(entry.name);
    return before === undefined || isTelling(before, entry);
  });
  return { changed, gone: [...told.keys()].filter((name) => !now.has(name)) };
}

function isTelling(before: GatewayAddress, now: GatewayAddress): boolean {
  const { connectionCountMax: max } = now;
  return (
    before.advertiseUrl !== now.advertiseUrl ||
    before.region !== now.region ||
    before.version !== now.version ||
    before.accepting !== now.accepting ||
    before.connectionCountMax !== max ||
    Math.abs(before.connectionCount - now.connectionCount) > max * CONNECTION_STEP ||
    Math.abs(before.cpuShare - now.cpuShare) > CPU_STEP ||
    Math.abs(before.connectRate - now.connectRate) > CONNECT_RATE_STEP
  );
}
