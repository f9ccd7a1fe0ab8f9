/** Listening: alone on a port, and on the same port again right after a kill. */
import { once } from "node:events";
import { createConnection } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startServer } from "../start-server.ts";

test("listen: a port on which another gateway listens is ADDRESS_IN_USE", async () => {
  const first = await startServer();
  onTestFinished(() => first.close());
  const second = startServer({ port: first.port });
  await expect(second).rejects.toThrow("ADDRESS_IN_USE");
});

test("listen: the port can be used at once after a kill with an idle connection", async () => {
  // The kernel keeps such a connection for a minute on the dead side, and without SO_REUSEADDR its
  // port too. Seen as ADDRESS_IN_USE in the replay of examples/.
  const first = await startServer();
  onTestFinished(() => first.close());
  const socket = createConnection(first.port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await once(socket, "data"); // read by the server, so that its end is no reset
  await first.kill();
  const { dataDir, port } = first;
  const second = await startServer({ dataDir, port });
  onTestFinished(() => second.close());
  expect(second.port).toBe(port);
});
