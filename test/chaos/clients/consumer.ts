/**
 * A consumer with the TypeScript SDK, in a process of its own: joins rooms and writes down what it
 * meets there.
 *
 * It may be slow (stands still now and then), and it may move, now and then or when "move" comes on
 * stdin: end its client, and go on with a new one after the last position it saw. The process ends
 * with its stdin.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connect, json, type Room } from "../../../sdk/typescript/index.ts";
import { type ChaosPayload, type ConsumerWork, nowUs, tell } from "./lines.ts";
import { skewClocks } from "./skew.ts";

/** A slow consumer stands still after this many messages of a room. */
const STALL_AFTER = 100;
/** Queue of a slow consumer's room: small, so that it overflows. */
const SLOW_QUEUE = 32;

const work = JSON.parse(process.argv[2] ?? "") as ConsumerWork;
const isSlow = work.stallMs > 0;
/** The last position seen in each room. */
const places = new Map<string, string>();

if (work.skew !== null) skewClocks(work.skew);
const orders = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
await live();

async function live(): Promise<void> {
  for (;;) {
    const client = await connect(work.url, {
      codec: json<ChaosPayload>(),
      connectTimeoutMs: Number.POSITIVE_INFINITY,
      handshakeTimeoutMs: 3000,
      ...(isSlow ? { roomQueueCountMax: SLOW_QUEUE } : {}),
    });
    client.onStatus(({ state }) => {
      if (state === "open") tell({ t: "back", at: nowUs() });
      else tell({ t: "away", at: nowUs() });
    });
    const rooms = await Promise.all(work.rooms.map((name) => join(client, name)));
    tell({ t: "back", at: nowUs() });
    tell({ t: "ready" });
    const reading = Promise.all(rooms.map(read));
    const why = await Promise.race([
      once(orders, "line"),
      ...(work.moveMs > 0 ? [sleep(work.moveMs)] : []),
      reading.then(() => "its rooms ended"),
    ]);
    if (typeof why === "string") tell({ t: "broken", why });
    await client.close();
    await reading; // what is queued is still handed out; then the loops end
    tell({ t: "away", at: nowUs() });
  }
}

async function join(client: Client<ChaosPayload>, name: string): Promise<Room<ChaosPayload>> {
  const after = places.get(name);
  const room = await client.join(name, after === undefined ? {} : { after });
  tell({ t: "join", room: name, at: nowUs(), after: after ?? null });
  return room;
}

async function read(room: Room<ChaosPayload>): Promise<void> {
  let count = 0;
  for await (const event of room) {
    if (event.type === "message") {
      const { p, n } = event.payload;
      tell({ t: "got", room: room.name, p, n, at: nowUs(), place: event.position });
      if (event.position !== null) places.set(room.name, event.position);
      count += 1;
      if (isSlow && count % STALL_AFTER === 0) await sleep(work.stallMs);
    } else if (event.type === "gap") {
      const { reason, missedCount } = event;
      tell({ t: "gap", room: room.name, at: nowUs(), reason, missed: missedCount });
    } else if (event.type === "invalid") {
      tell({ t: "broken", why: String(event.error) });
    }
  }
}
