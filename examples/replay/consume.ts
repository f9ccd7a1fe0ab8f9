/**
 * A consumer with our TypeScript SDK: joins rooms and reports what comes. Runs on Node
 * (consumer-node.ts) and in a browser (consumer-page.ts).
 */
import { connect, json, type Room } from "../../sdk/typescript/index.ts";
import type { ReplayPayload, Report } from "./report.ts";

/** Consumes until its process or page ends. */
export async function consume(
  url: string,
  roomNames: readonly string[],
  report: (line: Report) => void,
): Promise<void> {
  const client = await connect(url, { codec: json<ReplayPayload>() });
  client.onStatus((status) => {
    if (status.state === "open") report({ type: "open", at: nowMs() });
    if (status.state === "closed") report({ type: "failed", reason: String(status.error) });
  });
  const rooms = await Promise.all(roomNames.map((name) => client.join(name)));
  report({ type: "joined" });
  await Promise.all(rooms.map((room) => consumeRoom(room, report)));
}

async function consumeRoom(room: Room<ReplayPayload>, report: (line: Report) => void) {
  for await (const event of room) {
    if (event.type === "message") {
      const { p, n, at } = event.payload;
      report({ type: "message", room: room.name, p, n, at, got: nowMs() });
    } else if (event.type === "gap") {
      report({ type: "gap", room: room.name, reason: event.reason });
    } else if (event.type === "invalid") {
      report({ type: "failed", reason: String(event.error) });
    }
  }
}

/** Finer than Date.now(), which counts whole milliseconds. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
