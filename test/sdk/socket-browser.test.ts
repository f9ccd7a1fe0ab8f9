/**
 * The browsers' socket, on the standard WebSocket that Node has too, against the real all-in-one.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Client } from "../../sdk/typescript/client.ts";
import { systemClock } from "../../sdk/typescript/clock.ts";
import { text } from "../../sdk/typescript/codec.ts";
import { openSocket, PLATFORM } from "../../sdk/typescript/socket-browser.ts";
import { startServer } from "../start-server.ts";
import { take } from "./scene.ts";

function makeClient(url: string): Client<string> {
  const runtime = { clock: systemClock, openSocket, platform: PLATFORM, random: Math.random };
  const client = new Client<string>(url, { codec: text, handshakeTimeoutMs: 5000 }, runtime);
  onTestFinished(() => client.close());
  return client;
}

test("openSocket: joins, publishes and resumes over cuts", async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const client = makeClient(server.url);
  await client.open();
  const room = await client.join("chat:browser");
  for (let n = 0; n < 30; n += 1) {
    const published = room.publish(`${n}`);
    if (n % 10 === 5) client.dropConnection();
    await published;
  }
  expect(await take(room, 30)).toEqual(Array.from({ length: 30 }, (_, n) => `${n}`));
});

test("openSocket: a gateway that is not there is a CONNECT_FAILED, and tried again", async () => {
  const unused = createServer().listen(0, "127.0.0.1");
  await once(unused, "listening");
  const address = unused.address();
  unused.close();
  await once(unused, "close");
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const client = makeClient(`ws://127.0.0.1:${port}/ws`);
  const attempts: number[] = [];
  const thrice = new Promise<void>((resolve) => {
    client.onStatus((status) => {
      if (status.state !== "reconnecting") return;
      expect(status.error.code).toBe("CONNECT_FAILED");
      if (attempts.push(status.attempt) === 2) resolve();
    });
  });
  const opened = client.open();
  const refused = expect(opened).rejects.toMatchObject({ code: "CLOSED" });
  await thrice;
  expect(attempts).toEqual([2, 3]);
  await client.close();
  await refused;
});
