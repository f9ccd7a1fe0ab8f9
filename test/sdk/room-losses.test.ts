/**
 * Losses of an ephemeral room that its loop is told of, each once.
 */
import { expect, test } from "vitest";
import { POLICY } from "./fake-gateway.ts";
import { joinRoom, openScene, take } from "./scene.ts";

const ephemeralPolicy = { ...POLICY, durable: false };

// A member was told of a loss, went away again, and was not told of the second one.
test("ephemeral: a loss after a gap that was read is another gap", async () => {
  const scene = await openScene();
  const room = await joinRoom(scene, "live:a", 1, {}, { policy: ephemeralPolicy });
  let { connection } = scene;
  for (let times = 0; times < 2; times += 1) {
    connection.cut();
    connection = await scene.gateway.accept();
    await connection.welcome();
    await connection.join(1, { policy: ephemeralPolicy });
    expect(await take(room, 1)).toEqual(["gap EPHEMERAL 0"]);
  }
});
