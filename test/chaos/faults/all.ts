/**
 * Every fault, in the order of --help.
 */
import type { Fault } from "../fault.ts";
import * as client from "./client-faults.ts";
import { restartEverything } from "./everything.ts";
import * as gateway from "./gateway-faults.ts";
import * as moves from "./move-faults.ts";
import * as nats from "./nats-faults.ts";

/** All faults that a run can inject. */
export const FAULTS: readonly Fault[] = [
  ...Object.values<Fault>(nats),
  ...Object.values<Fault>(gateway),
  ...Object.values<Fault>(client),
  ...Object.values<Fault>(moves),
  restartEverything,
];
