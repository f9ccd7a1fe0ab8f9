/**
 * What `top` shows, as a program reads it: gateways, busiest rooms, slow connections, and sums.
 *
 * Pure.
 */
import type { BusyRoom, SlowConnection } from "../proto/gen/tidegate/control/v1/fleet.ts";
import type { GatewayText } from "./fleet-text.ts";

/** What a gateway list is ordered by; the order in which a key goes through them. */
export const SORT_KEYS = ["connections", "messages", "cpu", "memory", "lag", "id"] as const;
/** One of {@link SORT_KEYS}. */
export type SortKey = (typeof SORT_KEYS)[number];

/** A gateway that says how it does. */
export type GatewayRow = GatewayText & { readonly facts: NonNullable<GatewayText["facts"]> };

/** Everything that is shown. */
export type Picture = ReturnType<typeof makePicture>;

/** What was read. */
export interface TopFacts {
  readonly gateways: readonly GatewayText[];
  readonly rooms: readonly BusyRoom[];
  readonly slowConnections: readonly SlowConnection[];
  readonly silentGateways: readonly string[];
  /** Why rooms and connections are not known; empty when they are. */
  readonly activityTrouble: string;
}

/** The picture of what was read. */
export function makePicture(facts: TopFacts, sort: SortKey) {
  const gateways = facts.gateways.filter(hasFacts);
  const live = gateways.filter(({ state }) => state === "live");
  const sum = (read: (row: GatewayRow) => number) =>
    rounded(live.reduce((total, row) => total + read(row), 0));
  const most = (read: (row: GatewayRow) => number) => Math.max(0, ...live.map(read));
  const slowCount = sum((row) => row.facts.slowConnectionCount);
  return {
    sums: {
      gateways: gateways.length,
      serving: live.filter((row) => row.facts.serving === "serving").length,
      silent: gateways.length - live.length,
      controlPlanes: facts.gateways.filter(({ kind }) => kind !== "gateway").length,
      connections: sum((row) => row.facts.connectionCount),
      slowConnections: Math.max(slowCount, facts.slowConnections.length),
      publishRate: sum((row) => row.facts.publishRate),
      deliveryRate: sum((row) => row.facts.deliveryRate),
      busLagMsMax: most((row) => row.facts.busLagMs),
      loopDelayMsMax: most((row) => row.facts.loopDelayMs),
      builds: [...new Set(gateways.map(({ version }) => version))].sort(),
    },
    gateways: sorted(gateways, sort),
    rooms: facts.rooms.map(roomRow),
    slowConnections: facts.slowConnections.map(slowRow),
    silentGateways: facts.silentGateways.map(lastPart),
    activityTrouble: facts.activityTrouble,
  };
}

function hasFacts(row: GatewayText): row is GatewayRow {
  return row.facts !== null;
}

/** Largest first; what is equal by id, so that rows stay where they are. */
function sorted(rows: readonly GatewayRow[], key: SortKey): GatewayRow[] {
  const weigh: Readonly<Record<SortKey, (row: GatewayRow) => number>> = {
    connections: ({ facts }) => facts.connectionCount,
    messages: ({ facts }) => facts.publishRate + facts.deliveryRate,
    cpu: ({ facts }) => facts.cpuShare,
    memory: ({ facts }) => facts.rssBytes,
    lag: ({ facts }) => facts.busLagMs,
    id: () => 0,
  };
  const weight = weigh[key];
  return rows.toSorted((a, b) => weight(b) - weight(a) || (a.id < b.id ? -1 : 1));
}

function roomRow({ tenant, room, memberCount, gatewayCount, messageRate }: BusyRoom) {
  return {
    ...{ tenant, room, memberCount, gatewayCount, messageRate: rounded(messageRate) },
    deliveryRate: rounded(messageRate * memberCount),
  };
}

function slowRow({ gateway, bufferedBytes, ...rest }: SlowConnection) {
  const { connection, tenant, user, roomCount, behindMs } = rest;
  return {
    ...{ connection, tenant, user, gateway: lastPart(gateway), roomCount, behindMs },
    bufferedBytes: Number(bufferedBytes),
  };
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** To one digit behind the point. */
function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
