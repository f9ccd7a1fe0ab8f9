/**
 * Sets of flags as the control plane writes them.
 */
import type { Bus } from "../../../bus/bus.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { flagSetKey } from "../../../proto/flags/flag-record.ts";
import { FlagSet } from "../../../proto/gen/tidegate/control/v1/flag_set.ts";

/** A boolean flag for clients. */
export function clientFlag(partial: object = {}): object {
  return {
    ...{ state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off" },
    ...{ metadata: { client: true }, ...partial },
  };
}

/** Writes a set; every flag has `version`. */
export async function putFlags(
  bus: Bus,
  id: string,
  flags: Readonly<Record<string, unknown>>,
  version = 1,
): Promise<void> {
  const record: FlagSet = {
    ...{ name: "", etag: "", updateTime: undefined, version: BigInt(version) },
    definition: JSON.stringify({ flags }),
    flagVersions: Object.keys(flags).map((key) => ({ key, version: BigInt(version) })),
  };
  await putRecord(bus, id, FlagSet.encode(record).finish());
}

/** Writes any bytes as a set, or deletes it. */
export async function putRecord(bus: Bus, id: string, value: Uint8Array | null): Promise<void> {
  const keys = await bus.keyValue(CONTROL_BUCKET);
  const present = await keys.get(flagSetKey(id));
  await keys.commit([{ key: flagSetKey(id), value, revision: present?.revision ?? 0 }]);
}
