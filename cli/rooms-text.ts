/**
 * Rooms, members and scale advice as people and programs read them. Pure.
 */
import {
  type PartUtilisation,
  type ScaleAdvice,
  ScaleMeasure,
  type ScaleTarget,
} from "../proto/gen/tidegate/control/v1/fleet.ts";
import type { Member, Room } from "../proto/gen/tidegate/control/v1/room.ts";
import { formatTable } from "./table.ts";

/** What was found, and which gateways did not answer. */
export interface Found<Item> {
  readonly items: readonly Item[];
  /** Whether there are more than were asked for. */
  readonly hasMore: boolean;
  readonly silentGateways: readonly string[];
}

/** A room as printed. */
export type RoomText = ReturnType<typeof roomText>;

const measures: Readonly<Record<number, string>> = {
  [ScaleMeasure.CONNECTIONS]: "connections",
  [ScaleMeasure.CPU]: "cpu",
  [ScaleMeasure.LOOP_DELAY]: "loopDelay",
  [ScaleMeasure.BUS_LAG]: "busLag",
  [ScaleMeasure.BYTES]: "bytes",
};

/** A room in words. */
export function roomText({ room, memberCount, gatewayCount, messageRate }: Room) {
  return { room, memberCount, gatewayCount, messageRate: rounded(messageRate) };
}

/** Rooms, one a line, and what is missing. */
export function roomTable({ items, hasMore, silentGateways }: Found<RoomText>): string {
  const rows = items.map(({ room, memberCount, gatewayCount, messageRate }) => [
    ...[room, String(memberCount), String(gatewayCount), String(messageRate)],
  ]);
  const head = ["ROOM", "MEMBERS", "GATEWAYS", "MESSAGES/S"];
  return formatTable([head, ...rows]) + missingText(hasMore, silentGateways);
}

/** Members, one a line, and what is missing. */
export function memberTable({ items, hasMore, silentGateways }: Found<Member>): string {
  const rows = items.map(({ connection, user, gateway }) => [
    ...[connection, user || "-", gateway.slice("gateways/".length)],
  ]);
  const head = ["CONNECTION", "USER", "GATEWAY"];
  return formatTable([head, ...rows]) + missingText(hasMore, silentGateways);
}

/** What a list is not whole for; empty when it is. */
export function missingText(hasMore: boolean, silentGateways: readonly string[]): string {
  const more = hasMore ? "There are more: raise --limit.\n" : "";
  if (silentGateways.length === 0) return more;
  const names = silentGateways.map((name) => name.slice("gateways/".length)).join(", ");
  return `${more}Missing: what is at gateways that did not answer: ${names}\n`;
}

/** Scale advice in words. */
export function adviceText(advice: ScaleAdvice) {
  return {
    trigger: advice.trigger,
    gateways: targetText(advice.gateways),
    shards: targetText(advice.shards),
    reasons: advice.reasons,
    parts: [...advice.gatewayParts, ...advice.shardParts].map(partText),
  };
}

/** Scale advice for people: what to do, then how full each is. */
export function adviceTable(text: ReturnType<typeof adviceText>): string {
  const counts = [
    ["PART", "COUNT", "WANTED", "IN USE", "BY"],
    ["gateways", ...targetCells(text.gateways)],
    ["shards", ...targetCells(text.shards)],
  ];
  const parts = text.parts.map(({ name, value, measures: by }) => [
    ...[name, percent(value)],
    Object.entries(by)
      .map(([measure, each]) => `${measure} ${percent(each)}`)
      .join(", "),
  ]);
  const reasons = text.reasons.map((reason) => `${reason}\n`).join("");
  return `${reasons}\n${formatTable(counts)}\n${formatTable([["NAME", "IN USE", "OF"], ...parts])}`;
}

function targetText(target: ScaleTarget | undefined) {
  const { count = 0, wantedCount = 0, utilisation = 0, measure = 0 } = target ?? {};
  const by = measures[measure] ?? String(measure);
  return { count, wantedCount, utilisation: rounded(utilisation), by };
}

function targetCells({ count, wantedCount, utilisation, by }: ReturnType<typeof targetText>) {
  return [String(count), String(wantedCount), percent(utilisation), by];
}

function partText({ name, value, measures: all }: PartUtilisation) {
  const named = all.map((each): [string, number] => {
    return [measures[each.measure] ?? String(each.measure), rounded(each.value)];
  });
  return { name, value: rounded(value), measures: Object.fromEntries(named) };
}

function percent(value: number): string {
  return `${Math.round(value * 100)}%`;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
