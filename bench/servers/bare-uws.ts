/**
 * The yardstick: bare uWebSockets.js, joining and publishing and nothing else.
 *
 * A client's frame is a byte (0 greet, 1 join, 2 publish), a room number, and a payload.
 * Greeting and join are answered, so that connecting takes the round trips it takes on Tidegate.
 */
import { App, us_socket_local_port } from "uWebSockets.js";

const app = App().ws("/ws", {
  idleTimeout: 120,
  maxPayloadLength: 65_536,
  maxBackpressure: 16 * 1024 * 1024, // so that a slow generator shows as latency, not as loss
  message(ws, data) {
    const bytes = new Uint8Array(data);
    const topic = `room/${((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0)}`;
    if (bytes[0] === 2) {
      app.publish(topic, bytes.subarray(3), true);
      return;
    }
    if (bytes[0] === 1) ws.subscribe(topic);
    ws.send(bytes.subarray(0, 1), true);
  },
});
app.listen("127.0.0.1", 0, (token) => {
  if (!token) throw new Error("the bare server could not listen");
  const url = `ws://127.0.0.1:${us_socket_local_port(token)}/ws`;
  process.stdout.write(`${JSON.stringify({ ready: true, url, pid: process.pid })}\n`);
});
