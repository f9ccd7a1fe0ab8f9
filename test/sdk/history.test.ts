/** History requests: what is asked, and that they outlive connections. */
import { describe, expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";
import { type FakeConnection, messageOf, positionOf } from "./fake-gateway.ts";
import { joinRoom, openScene, wordOf } from "./scene.ts";

async function answer(
  connection: FakeConnection,
  seqs: readonly number[],
  rest: { hasMore?: boolean; recovered?: boolean } = {},
) {
  const asked = await connection.take("history");
  const messages = seqs.map((seq) => {
    const frame = messageOf(0, seq);
    if (frame.$case !== "message") throw new Error("not a message");
    return frame.value;
  });
  const { hasMore = false, recovered } = rest;
  connection.send({
    $case: "historyPage",
    value: { requestId: asked.requestId, messages, hasMore, recovered },
  });
  return asked;
}

describe("history", () => {
  test("asks before, after, or for the newest, and gives the page oldest first", async () => {
    const { client, connection } = await openScene();
    const newest = client.history("chat:a");
    expect(await answer(connection, [4, 5], { hasMore: true })).toMatchObject({
      target: { $case: "room", value: "chat:a" },
      cursor: undefined,
      limit: 50,
    });
    const page = await newest;
    expect(page.messages.map(wordOf)).toEqual(["4", "5"]);
    expect([page.hasMore, page.isContinuous]).toEqual([true, true]);
    const before = client.history("chat:a", { before: "1.4.4000", limit: 3 });
    expect(await answer(connection, [3])).toMatchObject({
      cursor: { $case: "before", value: positionOf(4) },
      limit: 3,
    });
    expect((await before).hasMore).toBe(false);
    const after = client.history("chat:a", { after: "1.4.4000" });
    expect(await answer(connection, [5], { recovered: false })).toMatchObject({
      cursor: { $case: "after", value: positionOf(4) },
    });
    expect((await after).isContinuous).toBe(false);
  });

  test("of a room uses its codec", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const asked = room.history({ limit: 1 });
    await answer(scene.connection, [7]);
    expect((await asked).messages).toMatchObject([{ type: "message", payload: "7" }]);
  });

  test("is asked again after a break, and after a retryable refusal", async () => {
    const { client, connection, gateway } = await openScene();
    const asked = client.history("chat:a");
    await connection.take("history");
    connection.cut();
    const next = await gateway.accept();
    await next.welcome();
    const { requestId } = await next.take("history");
    next.error(requestId, "UNAVAILABLE", { retryable: true, retryAfterMs: 1 });
    await answer(next, [1]);
    expect((await asked).messages).toHaveLength(1);
  });

  test("rejects with the gateway's final code, and with UNAVAILABLE after 20 s", async () => {
    const clock = new FakeClock();
    const { client, connection } = await openScene({}, clock);
    const refused = client.history("live:a");
    connection.error((await connection.take("history")).requestId, "NOT_DURABLE");
    await expect(refused).rejects.toMatchObject({ code: "NOT_DURABLE", retryable: false });
    const silent = expect(client.history("chat:a")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await connection.take("history");
    clock.advance(20_000);
    await silent;
  });

  test.each([
    [{ limit: 0 }],
    [{ limit: 501 }],
    [{ before: "x" }],
    [{ before: "1.1.1", after: "1.1.1" }],
  ])("refuses %j", async (options) => {
    const { client } = await openScene();
    await expect(client.history("chat:a", options)).rejects.toMatchObject({
      code: "REQUEST_INVALID",
    });
  });

  test("QUEUE_FULL: more than 64 pages at once", async () => {
    const { client } = await openScene();
    const asked = Array.from({ length: 65 }, () => client.history("chat:a"));
    const last = expect(asked.pop()).rejects.toMatchObject({ code: "QUEUE_FULL" });
    const others = Promise.allSettled(asked);
    await last;
    await client.close();
    expect((await others).every((each) => each.status === "rejected")).toBe(true);
  });
});
