/**
 * Loss accounting: the counters of every gateway, by hop, explain every message.
 *
 * Pure. For each message and gateway: what was published = what was handed to the fan-out + what
 * was announced as lost; and for each member by ranges: what is missing between two messages is
 * what Gaps in between said. Only for gateways that lived all the time with members in the rooms:
 * counters end with their process.
 */
import type { Consumer, History } from "./history.ts";
import type { Violation } from "./violation.ts";

/** What a gateway's counters say of one room, the only one of its class. */
export interface HopCounts {
  /** Passed on to the bus here. */
  readonly published: number;
  readonly received: number;
  readonly fannedOut: number;
  /** Received, and skipped as void. */
  readonly skipped: number;
  /** Announced as lost between gateways. */
  readonly lost: number;
}

/** One gateway: its counts by room, and who listened there all the time. */
export interface GatewayAccount {
  readonly name: string;
  readonly counts: Readonly<Record<string, HopCounts>>;
  /** Names of consumers. */
  readonly consumers: readonly string[];
}

/** What the counters, or members, do not explain. */
export function checkAccounting(
  history: History,
  accounts: readonly GatewayAccount[],
): Violation[] {
  const rooms = [...history.durableRooms, ...history.ephemeralRooms];
  return rooms.flatMap((room) => [
    ...checkHops(history, room, accounts),
    ...history.consumers.flatMap((consumer) =>
      consumer.rooms.includes(room) ? checkMember(history, room, consumer) : [],
    ),
    ...accounts.flatMap((account) => checkFanout(history, room, account)),
  ]);
}

/** By counts: published = received + lost, received = fanned out + skipped, at each gateway. */
function checkHops(
  history: History,
  room: string,
  accounts: readonly GatewayAccount[],
): Violation[] {
  const isDurable = history.durableRooms.includes(room);
  const stored = history.stored.filter((message) => message.room === room);
  const acked = ackedIn(history, room).length;
  const published = accounts.reduce((sum, { counts }) => sum + (counts[room]?.published ?? 0), 0);
  const wanted = isDurable ? stored.length : acked;
  const claims: [string, number, number][] = [["published, all gateways", published, wanted]];
  for (const { name, counts } of accounts) {
    const { received = 0, fannedOut = 0, skipped = 0, lost = 0 } = counts[room] ?? {};
    claims.push([`${name}: received + lost`, received + lost, published]);
    claims.push([`${name}: fanned out + skipped`, fannedOut + skipped, received]);
    const voidCount = stored.filter(({ isVoid }) => isVoid).length;
    if (isDurable) claims.push([`${name}: skipped`, skipped, voidCount]);
  }
  return claims.flatMap(([what, is, due]) =>
    is === due ? [] : [finding(`${room}, ${what} is ${is}, and ${due} are due`)],
  );
}

/** What a gateway fanned out is what each of its members got. */
function checkFanout(history: History, room: string, account: GatewayAccount): Violation[] {
  const { fannedOut = 0 } = account.counts[room] ?? {};
  return history.consumers.flatMap(({ name, rooms, events }) => {
    if (!account.consumers.includes(name) || !rooms.includes(room)) return [];
    const got = events.filter((event) => event.type === "message" && event.room === room).length;
    if (got === fannedOut) return [];
    return [finding(`${name} got ${got} of ${room}, and ${account.name} fanned out ${fannedOut}`)];
  });
}

/** By ranges: each producer's numbers rise by one, but for what Gaps before have said. */
function checkMember(history: History, room: string, { name, events }: Consumer): Violation[] {
  const last = new Map<string, number>();
  let [missing, announced] = [0, 0];
  for (const event of events) {
    if (event.room !== room) continue;
    if (event.type === "gap") announced += event.missedCount;
    if (event.type !== "message") continue;
    const { producer, n } = event;
    missing += n - (last.get(producer) ?? 0) - 1;
    last.set(producer, n);
    if (missing > announced) {
      return [finding(`${name} misses ${missing} before ${producer}'s ${n}, told of ${announced}`)];
    }
  }
  for (const { producer, n } of ackedIn(history, room)) {
    if (n > (last.get(producer) ?? 0)) missing += 1;
  }
  if (missing === announced) return [];
  return [finding(`${name} misses ${missing} of ${room}, and was told of ${announced}`)];
}

function ackedIn({ publishes }: History, room: string) {
  return publishes.filter((publish) => publish.room === room && publish.outcome === "acked");
}

function finding(text: string): Violation {
  return { kind: "unaccounted", text };
}
