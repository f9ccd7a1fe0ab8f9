/**
 * What tests of quotas share: users by token, limits as the control plane writes them, and clients
 * that may be refused.
 */
import { onTestFinished } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { SEAT_BUCKET } from "../../../bus/seats/seat-keys.ts";
import { decodeSeats } from "../../../bus/seats/seat-set.ts";
import { ALL_ACTIONS, makeIdentity } from "../../../gateway/identity.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import type { ErrorFrame } from "../../../proto/gen/tidegate/client/v1/error.ts";
import type { Hello } from "../../../proto/gen/tidegate/client/v1/session.ts";
import { Limit, OutagePolicy } from "../../../proto/gen/tidegate/control/v1/limit.ts";
import { RoomClass, type RoomMode } from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import { type LimitName, limitKey } from "../../../proto/limits.ts";
import { defaultRoomClass, roomClassKey } from "../../../proto/room-class.ts";
import { RawClient } from "../raw-client.ts";

/** Everyone is the user that the token names, "tenant/user" or a user of tenant "default". */
export function authenticateByName(token: string) {
  const [user = "", tenant = "default"] = token.split("/").reverse();
  return makeIdentity({ tenant, user, grants: [{ rooms: "*", actions: ALL_ACTIONS }] });
}

/** Sets a limit of tenant "default"; 0 deletes it. */
export async function putLimit(
  bus: Bus,
  limit: LimitName,
  value: number,
  isOpen = false,
): Promise<void> {
  const outagePolicy = isOpen ? OutagePolicy.FAIL_OPEN : OutagePolicy.FAIL_CLOSED;
  const record = { name: "", value: BigInt(value), outagePolicy, etag: "", used: 0n };
  const bytes = Limit.encode({ ...record, updateTime: undefined }).finish();
  await put(bus, limitKey("default", limit), value === 0 ? null : bytes);
}

/** Sets a class of tenant "default". */
export async function putClass(bus: Bus, name: string, mode: RoomMode, capacity: number) {
  const record = { ...defaultRoomClass(name, mode), memberCountMax: capacity };
  await put(bus, roomClassKey("default", name), RoomClass.encode(record).finish());
}

async function put(bus: Bus, key: string, value: Uint8Array | null): Promise<void> {
  const bucket = await bus.keyValue(CONTROL_BUCKET);
  const present = await bucket.get(key);
  if (value === null) await bucket.delete(key);
  else if (present === null) await bucket.create(key, value);
  else await bucket.update(key, value, present.revision);
}

/** What became of a Hello. */
export interface Attempt {
  readonly client: RawClient;
  readonly isAdmitted: boolean;
  /** Close code; 0 while it is open. */
  readonly code: number;
  readonly error: ErrorFrame | null;
}

/** Connects and says Hello; resolves with the answer, whatever it is. */
export async function attempt(port: number, hello: Partial<Hello> = {}): Promise<Attempt> {
  const client = new RawClient(port);
  onTestFinished(() => client.socket.terminate());
  await client.opened();
  client.hello(hello);
  const welcomed = client.next("welcome").then(
    (welcome) => {
      client.welcome = welcome;
      return true;
    },
    () => false,
  );
  const isAdmitted = await Promise.race([welcomed, client.closed.then(() => false)]);
  const code = isAdmitted ? 0 : (await client.closed).code;
  const said = client.frames.find((frame) => frame.$case === "error");
  return { client, isAdmitted, code, error: said?.$case === "error" ? said.value : null };
}

/** The token of an admitted client. */
export function tokenOf(client: RawClient): Buffer {
  if (client.welcome === null) throw new Error("it has no Welcome");
  return client.welcome.sessionToken;
}

/** Joins a room, or says why not. */
export async function tryJoin(client: RawClient, room: string): Promise<ErrorFrame | null> {
  const requestId = client.sendJoin([{ room, after: undefined, history: 0 }]);
  const refused = client.error(requestId);
  refused.catch(() => {});
  const joined = client.next("joined", (each) => each.requestId === requestId);
  joined.catch(() => {});
  return Promise.race([joined.then(() => null), refused]);
}

/** Waits until it is true; tests end by their own time limit. */
export async function until(test: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await test())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Seats that are taken, by key. */
export async function seatCounts(bus: Bus): Promise<Record<string, number>> {
  const keys = await bus.keyValue(SEAT_BUCKET);
  const entries = (await keys.list("")).filter(({ key }) => /^(user|ip|room)\./.test(key));
  return Object.fromEntries(entries.map(({ key, value }) => [key, decodeSeats(value).seats.size]));
}

/** All seats that are taken. */
export async function seatCount(bus: Bus): Promise<number> {
  return Object.values(await seatCounts(bus)).reduce((sum, each) => sum + each, 0);
}
