/** Flags of a client: values, what changed, whether they may be old, and which were used. */
import { describe, expect, test } from "vitest";
import type {
  Flag as WireFlag,
  Flags as WireFlags,
} from "../../proto/gen/tidegate/client/v1/flag.ts";
import { EXPOSURE_INTERVAL_MS, Flags } from "../../sdk/typescript/flags.ts";
import { FakeClock } from "./fake-clock.ts";
import { type FakeConnection, NO_PINGS } from "./fake-gateway.ts";
import { makeClient, startGateway, statusOf } from "./scene.ts";

function flag(key: string, value: unknown, variant = "on", rest: Partial<WireFlag> = {}): WireFlag {
  const valueJson = value === undefined ? "" : JSON.stringify(value);
  return { key, valueJson, variant, reason: "TARGETING_MATCH", version: 3n, ...rest };
}

function frame(flags: WireFlag[], rest: Partial<WireFlags> = {}): WireFlags {
  return { flags, all: false, version: 7n, ageMs: 0, stale: false, ...rest };
}

async function openClient(first?: WireFlags) {
  const clock = new FakeClock();
  const gateway = await startGateway();
  const flags = new Flags();
  const client = makeClient(gateway.url, { flags }, clock);
  const opened = client.open();
  const connection = await gateway.accept();
  await connection.welcome({ ...NO_PINGS, flags: first });
  await opened;
  const send = (value: WireFlags) => connection.send({ $case: "flags", value });
  return { clock, gateway, flags, client, connection, send };
}

/** The keys of the next change. */
function changeOf(flags: Flags): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const stop = flags.onChange((keys) => {
      stop();
      resolve(keys);
    });
  });
}

describe("values", () => {
  test("are those of Welcome; of another type than the fallback they are the fallback", async () => {
    const { flags } = await openClient(
      frame([flag("a", true), flag("b", "blue", "b1"), flag("c", { x: 1 }), flag("d", undefined)]),
    );
    expect(flags.value("a", false)).toBe(true);
    expect(flags.value("b", "")).toBe("blue");
    expect(flags.value("b", 4)).toBe(4);
    expect(flags.value("c", {})).toEqual({ x: 1 });
    expect(flags.value("d", 9)).toBe(9);
    expect(flags.value("none", "x")).toBe("x");
    expect(flags.get("b")).toEqual({
      ...{ key: "b", value: "blue", variant: "b1" },
      ...{ reason: "TARGETING_MATCH", version: 3 },
    });
    expect(flags.all().map(({ key }) => key)).toEqual(["a", "b", "c", "d"]);
    expect(flags.version).toBe(7);
  });

  test("change live: who listens gets the keys that did, and those that are gone", async () => {
    const { flags, send } = await openClient(frame([flag("a", 1), flag("b", 2), flag("c", 3)]));
    let change = changeOf(flags);
    send(frame([flag("a", 1), flag("b", 5)]));
    expect(await change).toEqual(["b"]);
    expect([flags.value("b", 0), flags.value("c", 0)]).toEqual([5, 3]);
    change = changeOf(flags);
    send(frame([flag("a", 1, "other"), flag("b", 5)], { all: true, version: 8n }));
    expect(await change).toEqual(["a", "c"]);
    expect([flags.get("c"), flags.version]).toEqual([undefined, 8]);
  });

  test("outlive the connection, stale; a gateway that knows none leaves them stale", async () => {
    const { clock, flags, client, connection, gateway, send } = await openClient(
      frame([flag("a", 1)], { ageMs: 100 }),
    );
    expect([flags.isStale, flags.ageMs]).toEqual([false, 100]);
    let change = changeOf(flags);
    send(frame([], { stale: true }));
    expect([await change, flags.isStale]).toEqual([[], true]);
    change = changeOf(flags);
    send(frame([]));
    expect([await change, flags.isStale]).toEqual([[], false]);
    change = changeOf(flags);
    const broken = statusOf(client, "reconnecting");
    connection.cut();
    await broken;
    expect([await change, flags.isStale, flags.value("a", 0)]).toEqual([[], true, 1]);
    clock.advance(5000);
    expect(flags.ageMs).toBe(5000);
    const open = statusOf(client, "open");
    const next = await gateway.accept();
    await next.welcome({ flags: undefined });
    await open;
    expect([flags.isStale, flags.value("a", 0)]).toEqual([true, 1]);
  });

  test("are of one client; when that has ended the next may have them", async () => {
    const { flags, client } = await openClient(frame([flag("a", 1)]));
    const gateway = await startGateway();
    expect(() => makeClient(gateway.url, { flags })).toThrow(/OPTION_INVALID/);
    await client.close();
    expect([flags.isStale, flags.value("a", 0)]).toEqual([true, 1]);
    expect(() => makeClient(gateway.url, { flags })).not.toThrow();
  });
});

describe("uses", () => {
  const counts = async (connection: FakeConnection) =>
    Object.fromEntries(
      (await connection.take("flagExposures")).exposures.map((each) => [
        `${each.key}=${each.variant}`,
        each.count,
      ]),
    );

  test("are told every 10 s, by variant; without a use nothing is", async () => {
    const { clock, flags, send, connection } = await openClient(
      frame([flag("a", 1), flag("b", 2)]),
    );
    clock.advance(EXPOSURE_INTERVAL_MS * 2);
    flags.value("a", 0);
    flags.value("a", 0);
    flags.get("b");
    flags.all();
    flags.value("none", 0);
    const change = changeOf(flags);
    send(frame([flag("a", 5, "off")]));
    await change;
    flags.value("a", 0);
    clock.advance(EXPOSURE_INTERVAL_MS - 1);
    expect(connection.unreadCount).toBe(0);
    clock.advance(1);
    expect(await counts(connection)).toEqual({ "a=on": 2, "b=on": 1, "a=off": 1 });
    clock.advance(EXPOSURE_INTERVAL_MS * 3);
    flags.value("b", 0);
    clock.advance(EXPOSURE_INTERVAL_MS);
    expect(await counts(connection)).toEqual({ "b=on": 1 }); // nothing came between
  });

  test("while not connected wait for the next connection; the last are told at the end", async () => {
    const first = frame([flag("a", 1)]);
    const { clock, flags, client, connection, gateway } = await openClient(first);
    const broken = statusOf(client, "reconnecting");
    connection.cut();
    await broken;
    flags.value("a", 0);
    clock.advance(EXPOSURE_INTERVAL_MS);
    const open = statusOf(client, "open");
    const next = await gateway.accept();
    await next.welcome({ ...NO_PINGS, flags: first });
    await open;
    clock.advance(EXPOSURE_INTERVAL_MS);
    expect(await counts(next)).toEqual({ "a=on": 1 });
    flags.value("a", 0);
    await client.close();
    expect(await counts(next)).toEqual({ "a=on": 1 });
  });

  test("of more variants than fit a frame: the rest the next time", async () => {
    const many = Array.from({ length: 250 }, (_, at) => flag(`f${at}`, at));
    const { clock, flags, connection } = await openClient(frame(many));
    for (const { key } of many) flags.get(key);
    clock.advance(EXPOSURE_INTERVAL_MS);
    expect(Object.keys(await counts(connection))).toHaveLength(200);
    clock.advance(EXPOSURE_INTERVAL_MS);
    expect(Object.keys(await counts(connection))).toHaveLength(50);
  });
});
