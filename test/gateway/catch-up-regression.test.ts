/** R9: a member that catches up while its room's history goes backwards is told, too. */
import { expect, test, vi } from "vitest";
import type { Bus, ReadAfter, RoomListener } from "../../bus/bus.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import { testGateway } from "./start-gateway.ts";

/** A bus whose reads wait, once asked to, and whose history can go. */
class HeldBus {
  isHolding = false;
  /** Reads from now on find nothing of what they ask for. */
  isGone = false;
  readonly held: (() => void)[] = [];
  listener: RoomListener | null = null;
  token = "";

  wrap(bus: Bus): Bus {
    return new Proxy(bus, {
      get: (target, name) => {
        if (name === "readAfter") {
          return (...args: Parameters<Bus["readAfter"]>) => this.#readAfter(target, args);
        }
        if (name === "subscribeRoom") {
          return (room: RoomAddress, listener: RoomListener) => {
            this.listener = listener;
            this.token = room.token;
            return target.subscribeRoom(room, listener);
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  async #readAfter(bus: Bus, args: Parameters<Bus["readAfter"]>): Promise<ReadAfter> {
    if (this.isGone) return { isContinuous: false, messages: [], isEnd: true };
    const read = await bus.readAfter(...args);
    if (this.isHolding) await new Promise<void>((resolve) => this.held.push(resolve));
    return read;
  }

  /** Waits for a read that is held, and lets it go on after `action`. */
  async release(action: () => void = () => {}): Promise<void> {
    await vi.waitUntil(() => this.held.length > 0, { timeout: 10_000 });
    action();
    this.held.shift()?.();
  }
}

test.each([
  ["is gone", true],
  ["looks right again", false],
])("catch-up: a page was read before a loss, and its end %s: a Gap is told", async (_, isGone) => {
  const held = new HeldBus();
  const { client } = await testGateway({ wrapBus: (bus) => held.wrap(bus) });
  const publisher = await client();
  const ids = Array.from({ length: 200 }, (_, i) =>
    publisher.publish({ room: "chat:back", seq: i + 1, payload: `${i}` }),
  );
  const acks = await Promise.all(ids.map((id) => publisher.ack(id)));
  const member = await client();
  held.isHolding = true;
  const joining = member.join("chat:back", { after: acks[0]?.position });
  await held.release();
  const { roomAlias, recovered } = await joining;
  expect(recovered).toBe(true);
  await held.release(() => {
    held.isGone = isGone;
    held.isHolding = false;
    held.listener?.onHistoryChanged(held.token, true);
  });
  await member.texts(roomAlias, 199);
  await vi.waitUntil(() => member.frames.some(({ $case }) => $case === "gap"), { timeout: 5000 });
});
