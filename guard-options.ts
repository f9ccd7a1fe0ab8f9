/**
 * The part of the process's options that says how a gateway protects itself.
 */
import { GATEWAY_DEFAULTS as GATEWAY, type GatewayOptions } from "./gateway/options.ts";
import { choice, integer, row } from "./option-kind.ts";
import type { OptionValues } from "./options.ts";

/** Rows of the table in options.ts. */
export const GUARD_ROWS = [
  row(
    "BLOCK_MS",
    integer(1000, 3_600_000),
    GATEWAY.blockMs,
    "Milliseconds that a client which went on far above a rate is kept out; close 4009 BLOCKED.",
  ),
  row(
    "ADMISSION",
    choice("paced", "off"),
    GATEWAY.admission,
    "paced: new clients come in no faster than the event loop bears; off: as they come.",
  ),
  row(
    "MEMORY_MIB_MAX",
    integer(0, 1024 ** 2),
    GATEWAY.memoryMibMax,
    "MiB that this process may use, for shedding load; 0: those of its cgroup or the machine.",
  ),
] as const;

/** These options of the gateway, from those of the process. */
export function guardOptions(options: OptionValues): Partial<GatewayOptions> {
  return {
    blockMs: options.integer("BLOCK_MS"),
    admission: options.text("ADMISSION") === "off" ? "off" : "paced",
    memoryMibMax: options.integer("MEMORY_MIB_MAX"),
  };
}
