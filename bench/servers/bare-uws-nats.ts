/**
 * The yardstick through NATS: uWebSockets.js and nats.js, one subject a room, and nothing else.
 *
 * Speaks as bare-uws.ts does. The URL of the NATS server is its one argument.
 */

import { App, us_socket_local_port } from "uWebSockets.js";
import { connect, type Subscription } from "@nats-io/transport-node";

const nats = await connect({ servers: process.argv[2] ?? "" });
const rooms = new Map<string, Subscription>();
const callback = (_error: unknown, message: { subject: string; data: Uint8Array }): void => {
  app.publish(message.subject, message.data, true);
};
const app = App().ws("/ws", {
  idleTimeout: 120,
  maxPayloadLength: 65_536,
  maxBackpressure: 16 * 1024 * 1024,
  message(ws, data) {
    const bytes = new Uint8Array(data);
    const room = `room.${((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0)}`;
    if (bytes[0] === 2) {
      nats.publish(room, bytes.subarray(3));
      return;
    }
    if (bytes[0] === 1) {
      if (!rooms.has(room)) rooms.set(room, nats.subscribe(room, { callback }));
      ws.subscribe(room);
    }
    ws.send(bytes.subarray(0, 1), true);
  },
});
app.listen("127.0.0.1", 0, (token) => {
  if (!token) throw new Error("the bare server could not listen");
  const url = `ws://127.0.0.1:${us_socket_local_port(token)}/ws`;
  process.stdout.write(`${JSON.stringify({ ready: true, url, pid: process.pid })}\n`);
});
