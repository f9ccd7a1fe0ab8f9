/**
 * The leader's changes of a shard's state, in the name of who began the operation.
 */
import type { ShardAdmin } from "../../bus/shard-admin.ts";
import type { Topology } from "../../bus/topology.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Operation } from "../../proto/gen/tidegate/control/v1/operation.ts";
import type { Caller } from "../access/caller.ts";
import type { ControlStore } from "../control-store.ts";
import { shardName } from "../fleet-names.ts";
import type { ShardState } from "../placement/placement.ts";

/** A change of settings at the same time is another's success; it is tried again this often. */
const raceCountMax = 8;

/** What it works with. */
export interface ShardStateParts {
  readonly topology: Topology;
  readonly admin: ShardAdmin;
  readonly store: ControlStore;
}

/**
 * Sets the state of a shard, whatever else of it changes meanwhile; nothing when it has it.
 *
 * @throws {CodedError} `NOT_FOUND`, `UNAVAILABLE`, and what ShardAdmin.update says.
 */
export async function changeShardState(
  { topology, admin, store }: ShardStateParts,
  shard: number,
  state: ShardState,
  operation: Operation,
): Promise<void> {
  // It was allowed when the operation began; the audit log says for whom it is done.
  const caller: Caller = {
    ...{ principal: operation.creator, role: "operator", gatewayId: null, peer: operation.name },
  };
  for (let round = 1; ; round += 1) {
    const [entry] = await topology.shards([shard]);
    if (entry === undefined) throw new CodedError("NOT_FOUND", `there is no shard ${shard}`);
    const { settings, trouble } = entry;
    if (settings === null) throw new CodedError("UNAVAILABLE", `shard ${shard}: ${trouble}`);
    if (settings.state === state) return;
    const resource = shardName(settings.group, shard);
    const subject = { method: "tidegate.control.v1.ShardService/DrainShard", resource };
    const [before, after] = [settings.state, state].map((each) => ({ state: each.toUpperCase() }));
    const states = { before, after };
    try {
      await admin.update(shard, { state }, settings.revision, () =>
        store.along(caller, subject, states, ""),
      );
      return;
    } catch (reason) {
      const isLost = CodedError.from(reason).code === "ETAG_MISMATCH";
      if (!isLost || round === raceCountMax) throw reason;
    }
  }
}
