import { describe, expect, test } from "vitest";
import { type Connection, newConnection } from "../../../gateway/connection.ts";
import type { GatewayContext } from "../../../gateway/context.ts";
import { followGates } from "../../../gateway/gates/apply-gates.ts";

const directory = { forgetTargets() {} };
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Connections that note in which turn of the loop each was looked at. */
function watched(count: number, turn: () => number) {
  const looked: { turn: number; number: number }[] = [];
  const all = new Set(Array.from({ length: count }, (_, i) => newConnection(i)));
  const connections = new Proxy(all, {
    get: (set, name) => {
      if (name !== Symbol.iterator) return Reflect.get(set, name);
      return function* () {
        for (const connection of set) {
          looked.push({ turn: turn(), number: connection.number });
          yield connection;
        }
      };
    },
  });
  return { looked, connections: connections as ReadonlySet<Connection>, all };
}

describe("followGates", () => {
  test("looks at one slice in a turn, and at all, also when it changes meanwhile", async () => {
    let turn = 0;
    const count = 40;
    const { looked, connections } = watched(count, () => turn);
    let change = () => {};
    const gates = { follow: (listener: () => void) => (change = listener) };
    const stop = followGates({ gates, directory } as unknown as GatewayContext, connections, 0);
    change();
    change();
    for (turn = 1; looked.length < 2 * count && turn < 100; turn += 1) {
      if (turn === 13) change();
      await nextTurn();
    }
    await nextTurn();
    stop();
    const perTurn = new Map<number, number>();
    for (const each of looked) perTurn.set(each.turn, (perTurn.get(each.turn) ?? 0) + 1);
    expect(Math.max(...perTurn.values())).toBe(1);
    // Twice: two changes before the first turn are one pass, the one in the midst another.
    expect(looked.map(({ number }) => number)).toEqual([
      ...Array.from({ length: count }, (_, i) => i),
      ...Array.from({ length: count }, (_, i) => i),
    ]);
  });

  test("looks at nobody more when the gateway closes", async () => {
    const { looked, connections } = watched(20, () => 0);
    let change = () => {};
    const gates = { follow: (listener: () => void) => (change = listener) };
    const stop = followGates({ gates, directory } as unknown as GatewayContext, connections, 0);
    change();
    await nextTurn();
    stop();
    for (let i = 0; i < 10; i += 1) await nextTurn();
    expect(looked.length).toBeLessThanOrEqual(2);
  });
});
