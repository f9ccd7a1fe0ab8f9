/**
 * The load of the fleet as scale advice is decided from: gateways that take clients, shards that
 * take slots.
 */
import type { Topology } from "../../bus/topology.ts";
import { ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { gatewayName, shardName } from "../fleet-names.ts";
import { decodeFacts, isSilent } from "../fleet-resources.ts";
import type { FleetLoad, GatewayLoad, ShardLoad } from "./decide-scale.ts";

/** Reads it. @throws {CodedError} `UNAVAILABLE`. */
export async function readFleet(topology: Topology): Promise<FleetLoad> {
  const unknownNames: string[] = [];
  const gateways = await readGateways(topology, unknownNames);
  const shards = await readShards(topology, unknownNames);
  return { gateways, shards, unknownNames };
}

async function readGateways(topology: Topology, unknown: string[]): Promise<GatewayLoad[]> {
  const nowUs = Date.now() * 1000;
  const loads: GatewayLoad[] = [];
  for (const entry of await topology.processes()) {
    if (entry.parts === "controlplane") continue;
    const name = gatewayName(entry.id);
    const facts = decodeFacts(entry.facts);
    if (facts === undefined || isSilent(entry, nowUs)) unknown.push(name);
    else if (facts.state === ServingState.SERVING) loads.push({ ...facts, name });
  }
  return loads;
}

async function readShards(topology: Topology, unknown: string[]): Promise<ShardLoad[]> {
  const loads: ShardLoad[] = [];
  for (const { shard, settings, facts } of await topology.shards(await topology.shardNumbers())) {
    if (settings !== null && settings.state !== "active") continue;
    const name = shardName(settings?.group ?? 0, shard);
    if (facts === null) unknown.push(name);
    else loads.push({ name, bytes: facts.bytes, bytesMax: facts.bytesMax });
  }
  return loads;
}
