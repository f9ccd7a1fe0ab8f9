/**
 * A client of the SDK in front of a scripted gateway, and what tests do with both.
 */
import { onTestFinished } from "vitest";
import type { JoinOptions } from "../../sdk/typescript/client.ts";
import { Client } from "../../sdk/typescript/client.ts";
import { type Clock, systemClock } from "../../sdk/typescript/clock.ts";
import { text } from "../../sdk/typescript/codec.ts";
import type { RoomEvent } from "../../sdk/typescript/event.ts";
import type { ConnectOptions } from "../../sdk/typescript/options.ts";
import type { Room } from "../../sdk/typescript/room.ts";
import type { ClientStatus } from "../../sdk/typescript/session-setup.ts";
import { makePause, openSocket } from "../../sdk/typescript/socket-node.ts";
import { type FakeConnection, FakeGateway } from "./fake-gateway.ts";

export interface Scene {
  readonly gateway: FakeGateway;
  readonly client: Client<string>;
  /** The first connection, already welcomed. */
  readonly connection: FakeConnection;
}

/** A client whose reconnects wait 0 ms, unless the gateway or `random` (0 to 1) wants more. */
export function makeClient(
  url: string,
  options: Partial<ConnectOptions<string>> = {},
  clock: Clock = systemClock,
  random = 0,
): Client<string> {
  const runtime = { clock, openSocket, platform: "test", random: () => random, makePause };
  const client = new Client<string>(url, { codec: text, ...options }, runtime);
  onTestFinished(() => client.close());
  return client;
}

/** A gateway that ends with the test. */
export async function startGateway(refuseWith?: {
  status: number;
  text: string;
}): Promise<FakeGateway> {
  const gateway = await FakeGateway.start(refuseWith);
  onTestFinished(() => gateway.stop());
  return gateway;
}

/** A client connected to a gateway. */
export async function openScene(
  options: Partial<ConnectOptions<string>> = {},
  clock?: Clock,
): Promise<Scene> {
  const gateway = await startGateway();
  const client = makeClient(gateway.url, options, clock);
  const opened = client.open();
  const connection = await gateway.accept();
  await connection.welcome();
  await opened;
  return { gateway, client, connection };
}

/** Joins a room under this alias. */
export async function joinRoom(
  { client, connection }: Pick<Scene, "client" | "connection">,
  name: string,
  alias: number,
  options: JoinOptions<string> = {},
  rest: Parameters<FakeConnection["join"]>[1] = {},
): Promise<Room<string>> {
  const joining = client.join(name, { ...options, codec: text });
  await connection.join(alias, rest);
  return await joining;
}

/** A short word for an event: the payload of a message, else what it says. */
export function wordOf(event: RoomEvent<string>): string {
  if (event.type === "message") return event.payload;
  if (event.type === "gap") return `gap ${event.reason} ${event.missedCount}`;
  return event.type;
}

/** The next `count` events of a room, as words; the loop is ended after them. */
export async function take(room: Room<string>, count: number): Promise<string[]> {
  const words: string[] = [];
  if (count === 0) return words;
  for await (const event of room) {
    words.push(wordOf(event));
    if (words.length === count) break;
  }
  return words;
}

/** Resolves with the next status of this state. */
export function statusOf<S extends ClientStatus["state"]>(
  client: Client<string>,
  state: S,
): Promise<Extract<ClientStatus, { state: S }>> {
  return new Promise((resolve) => {
    const stop = client.onStatus((status) => {
      if (status.state !== state) return;
      stop();
      resolve(status as Extract<ClientStatus, { state: S }>);
    });
  });
}
