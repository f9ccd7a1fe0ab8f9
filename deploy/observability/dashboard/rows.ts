/** The dashboard: its rows, in the order in which somebody looks who was woken up. */
import { BUS_ROW } from "./bus-row.ts";
import { CONTROL_ROW } from "./control-row.ts";
import { FLEET_ROW } from "./fleet-row.ts";
import { GATEWAY_ROW } from "./gateway-row.ts";
import type { Row } from "./panel.ts";
import { ROOMS_ROW } from "./rooms-row.ts";

/** All rows. */
export const ROWS: readonly Row[] = [FLEET_ROW, GATEWAY_ROW, ROOMS_ROW, BUS_ROW, CONTROL_ROW];
