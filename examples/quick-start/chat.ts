/**
 * A chat in the terminal: what is typed goes to everybody in the room, what they write is printed.
 *
 *   node_modules/.bin/node examples/quick-start/chat.ts [room] [url]
 */
import { createInterface } from "node:readline";
import { connect, type Room, text } from "../../sdk/typescript/index.ts";

const [name = "chat:lobby", url = "ws://127.0.0.1:8080/ws"] = process.argv.slice(2);
const client = await connect(url, { codec: text });
const room = await client.join(name, { history: 20 });
const sending = sendLines(room);
for await (const event of room) {
  if (event.type === "message" && !event.isOwn) console.log(event.payload);
  if (event.type === "gap") console.log(`(messages are missing here: ${event.reason})`);
}
await sending;
await client.close();

async function sendLines(room: Room<string>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) await room.publish(line);
  await room.leave(); // end of input: Ctrl+D
}
