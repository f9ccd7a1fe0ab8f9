/**
 * Clients that vanish at any moment: between Join and Joined, with publishes in flight, while
 * catching up, while their token is judged. Nothing of them is left, and no closed socket is
 * touched.
 */
import { describe, expect, test } from "vitest";
import { seededRandom } from "./lossy-bus.ts";
import { RawClient } from "./raw-client.ts";
import { type TestGateway, testGateway } from "./start-gateway.ts";

/** Resolves when only `count` connections are left; asks the gateway by a client's round trips. */
async function untilLeft(gateway: TestGateway, asker: RawClient, count: number): Promise<void> {
  while (gateway.gateway.stats().connectionCount > count) await asker.settle();
}

/** What a client does before it vanishes, all in one go. */
function provoke(client: RawClient, round: number, random: () => number): void {
  const rooms = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) => ({
    room: `${random() < 0.7 ? "chat" : "live"}:v${(round + i) % 7}`,
    after: random() < 0.3 ? { epoch: 1, seq: 1n, timeUs: 1n } : undefined,
    history: random() < 0.5 ? 500 : 0,
  }));
  client.sendJoin(rooms);
  const room = rooms[0]?.room ?? "chat:v0";
  for (let seq = 1; seq <= 3; seq += 1) client.publish({ room, seq, payload: "x".repeat(500) });
  const target = { $case: "room" as const, value: "chat:v0" };
  const history = { requestId: 99, target, cursor: undefined, limit: 500 };
  client.send({ $case: "history", value: history });
  if (random() < 0.2) client.send({ $case: "leave", value: { requestId: 98, roomAlias: 1 } });
}

describe("clients that vanish", () => {
  test("1000 times between Join and Joined: no connection and no room is left", async () => {
    const gateway = await testGateway();
    const asker = await gateway.client();
    const random = seededRandom(7);
    for (let round = 0; round < 1000; round += 20) {
      const clients = await Promise.all(
        Array.from({ length: 20 }, () => RawClient.open(gateway.port)),
      );
      for (const [i, client] of clients.entries()) {
        provoke(client, round + i, random);
        const end = random();
        if (end < 0.4) client.socket.terminate();
        else if (end < 0.6) client.socket.close();
        else if (end < 0.8) client.socket.send("text");
        else setImmediate(() => client.socket.terminate());
      }
      await Promise.all(clients.map((client) => client.closed));
    }
    await untilLeft(gateway, asker, 1);
    while (gateway.gateway.stats().laneCount > 0) await asker.settle();
    expect(gateway.gateway.stats()).toMatchObject({ connectionCount: 1, memberCount: 0 });
    await asker.join("chat:v0");
    expect(gateway.logged).toEqual([]);
  });
});
