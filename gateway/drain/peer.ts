/**
 * What a gateway knows of the others: read from the facts in their leases, or as a control plane
 * lists them.
 *
 * Pure.
 */
import type { ProcessEntry } from "../../bus/topology.ts";
import { GatewayFacts, ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import type { GatewayAddress } from "../../proto/gen/tidegate/control/v1/routing.ts";

/** A gateway whose lease was not renewed for this long is silent, ms: it renews every 5 s. */
export const SILENT_MS = 11_000;
/** Bytes of an address that clients may be sent to; a longer one is left out. */
export const URL_BYTES_MAX = 256;

const drainingStates: readonly ServingState[] = [ServingState.ANNOUNCING, ServingState.DRAINING];

/** Another gateway. */
export interface Peer {
  readonly id: string;
  readonly region: string;
  /** Of Tidegate, semantic; empty when it is not told. */
  readonly version: string;
  /** Where clients reach it and no other; empty when they can not, or it does not say so. */
  readonly url: string;
  /** Whether it takes clients: renews its lease, and neither announces a drain nor drains. */
  readonly isServing: boolean;
  /** Whether it sends its clients away now, or has announced that it will. */
  readonly isDraining: boolean;
  /** Connections it has, and can have. */
  readonly connectionCount: number;
  readonly connectionCountMax: number;
  /** Part of one core that it uses, 0 to 1. */
  readonly cpuShare: number;
  /** What its event loop is late, ms: its queue. */
  readonly loopDelayMs: number;
  /** Connections it gets now, a second. */
  readonly connectRate: number;
  /** When it said so, by the bus's clock, microseconds. */
  readonly saidUs: number;
}

/**
 * The other gateways, in the order of the entries; control planes alone are none.
 *
 * @param ownId left out.
 * @param nowUs the bus's clock, or one that differs by less than a second.
 */
export function readPeers(entries: readonly ProcessEntry[], ownId: string, nowUs: number): Peer[] {
  const others = entries.filter(({ id, parts }) => id !== ownId && parts !== "controlplane");
  return others.map((entry) => readPeer(entry, nowUs));
}

/**
 * The other gateways as a control plane lists them: enough to choose addresses, too coarse for the
 * pace of a drain, since loads are told only when they changed much.
 *
 * @param nowUs as of {@link readPeers}.
 */
export function readAddresses(
  addresses: Iterable<GatewayAddress>,
  ownId: string,
  nowUs: number,
): Peer[] {
  const peers: Peer[] = [];
  for (const address of addresses) {
    const id = address.name.replace(/^gateways\//, "");
    if (id === ownId) continue;
    const {
      version,
      region,
      accepting,
      connectionCount,
      connectionCountMax,
      cpuShare,
      connectRate,
    } = address;
    peers.push({
      ...{ id, version, region, url: usableUrl(address.advertiseUrl), isServing: accepting },
      // Neither is listed; who needs them reads the leases.
      ...{ isDraining: false, loopDelayMs: 0 },
      ...{ connectionCount, connectionCountMax, cpuShare, connectRate, saidUs: nowUs },
    });
  }
  return peers;
}

/** Connections that it can still take, 0 or more. */
export function freeCount({ connectionCount, connectionCountMax }: Peer): number {
  return Math.max(0, connectionCountMax - connectionCount);
}

function readPeer({ id, facts, version, renewedUs }: ProcessEntry, nowUs: number): Peer {
  const said = decodeFacts(facts);
  const isFresh = nowUs - renewedUs < SILENT_MS * 1000;
  // A version that says no facts: somebody is there, and how full it is can not be known.
  const isKnown = said.state !== ServingState.UNSPECIFIED;
  const isServing = said.state === ServingState.SERVING || !isKnown;
  return {
    ...{ id, version },
    region: said.region,
    url: usableUrl(said.advertiseUrl),
    isServing: isFresh && isServing,
    isDraining: isFresh && drainingStates.includes(said.state),
    connectionCount: said.connectionCount,
    connectionCountMax: isKnown ? said.connectionCountMax : UNKNOWN_COUNT_MAX,
    cpuShare: said.cpuShare,
    loopDelayMs: said.loopDelayMs,
    connectRate: said.connectRate,
    saidUs: renewedUs,
  };
}

/** The address, or empty for one that no client may be sent to. */
function usableUrl(url: string): string {
  return /^wss?:\/\/[^/]/.test(url) && url.length <= URL_BYTES_MAX ? url : "";
}

/** Connections that a gateway which does not say how full it is counts for. */
const UNKNOWN_COUNT_MAX = 1000;

/** Facts that do not decode, or of a newer kind, are those of nobody: no reason to fail a drain. */
function decodeFacts(facts: Uint8Array): GatewayFacts {
  try {
    return GatewayFacts.decode(facts);
  } catch {
    return GatewayFacts.decode(new Uint8Array(0)); // as of a process that says nothing
  }
}
