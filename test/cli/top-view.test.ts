/** The picture of `top`, drawn at sizes that people have. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { textWidth } from "../../cli/grid.ts";
import {
  type GatewayRow,
  makePicture,
  type SortKey,
  type TopFacts,
} from "../../cli/top-picture.ts";
import { topLines } from "../../cli/top-view.ts";

function gateway(id: string, changes: object = {}, facts: object = {}): GatewayRow {
  return {
    ...{ id, kind: "gateway", state: "live", renewalAgeMs: 900, upMs: 3_600_000, version: "1.4.0" },
    ...{ host: "h", pid: 1, incarnation: "i", startTime: null, renewTime: null, expireTime: null },
    routingRevision: 1,
    ...changes,
    facts: {
      ...{ region: "eu-west-1", advertiseUrl: "", serving: "serving", connectionCount: 12_345 },
      ...{ connectionCountMax: 20_000, roomCount: 678, memberCount: 20_000, cpuShare: 0.42 },
      ...{ loopDelayMs: 12.4, busLagMs: 1.2, connectRate: 1, publishRate: 850.2 },
      ...{ deliveryRate: 12_300, configVersion: 7, configAgeMs: 2000, configTrouble: "" },
      ...{ rssBytes: 1.5 * 1024 ** 3, slowConnectionCount: 0 },
      ...facts,
    },
  };
}

const facts: TopFacts = {
  gateways: [
    gateway("eu-1"),
    gateway("eu-2", {}, { serving: "draining", connectionCount: 900, slowConnectionCount: 2 }),
    gateway("eu-3", { state: "silent", renewalAgeMs: 17_000, version: "1.3.9" }),
    { ...gateway("cp-1", { kind: "control" }), facts: null },
  ],
  rooms: [
    { tenant: "acme", room: "chat:lobby", memberCount: 180, gatewayCount: 2, messageRate: 91.25 },
    { tenant: "acme", room: "live:日本", memberCount: 27, gatewayCount: 1, messageRate: 18 },
  ],
  slowConnections: [
    {
      ...{ tenant: "acme", connection: "eu-2-1p", user: "anna", gateway: "gateways/eu-2" },
      ...{ roomCount: 3, behindMs: 9000, bufferedBytes: 95_000n },
    },
  ],
  silentGateways: ["gateways/eu-3"],
  activityTrouble: "",
};
const style = {
  ...{ size: { columns: 80, rows: 24 }, hasColour: false, title: "tidegate" },
  ...{ clock: "12:34:56", footer: "q quit", trouble: "" },
};

test("80 x 24: sums, gateways, rooms and slow connections, in their places", () => {
  expect(topLines(makePicture(facts, "id"), style).map((line) => line.trimEnd())).toEqual([
    "tidegate  3 gateways, 1 not serving, 1 silent, 2 builds, 1 control     12:34:56",
    "13k connections  1.7k/s in  25k/s out  2 slow  loop max 12 ms  bus max 1.2 ms",
    "",
    "GATEWAY STATE      CONNS ROOMS IN/S OUT/S CPU LOOP BUS  MEM SLOW BUILD CONFIG",
    "eu-1    serving      12k   678  850   12k 42% 12ms 1ms 1.5G    0 1.4.0     2s",
    "eu-2    draining     900   678  850   12k 42% 12ms 1ms 1.5G    2 1.4.0     2s",
    "eu-3    silent 17s   12k   678  850   12k 42% 12ms 1ms 1.5G    0 1.3.9     2s",
    "",
    "ROOM        TENANT  MEMBERS  GATEWAYS  MSG/S  OUT/S",
    "chat:lobby  acme        180         2     91    16k",
    "live:日本   acme         27         1     18    486",
    "",
    "SLOW CONNECTION  USER  TENANT  GATEWAY  ROOMS  BEHIND   WAITING",
    "eu-2-1p          anna  acme    eu-2         3      9s  92.8 KiB",
    "",
    "q quit",
  ]);
});

test("what needs a look is painted: states, near limits, old numbers", () => {
  const hot = { cpuShare: 0.96, loopDelayMs: 60, busLagMs: 300, connectionCount: 20_000 };
  const gateways = [gateway("hot", {}, hot), gateway("calm"), ...facts.gateways.slice(1, 3)];
  const lines = topLines(makePicture({ ...facts, gateways }, "id"), { ...style, hasColour: true });
  const row = (id: string) => lines.find((line) => line.startsWith(id)) ?? "";
  const [bad, warn, good] = ["\u001b[1;31m", "\u001b[33m", "\u001b[32m"];
  for (const text of ["96%", "300ms", "  20k"]) expect(row("hot")).toContain(bad + text);
  expect(row("hot")).toContain(`${warn}60ms`);
  expect(row("calm")).toContain(`${good}serving`);
  expect(row("calm")).not.toContain(bad);
  expect(row("eu-2")).toContain(`${warn}draining`);
  const silent = lines.find((line) => line.includes("eu-3")) ?? "";
  expect(silent).toContain(`${bad}silent 17s`);
  expect(silent).toContain("\u001b[2m");
});

test.each<[SortKey, string[]]>([
  ["id", ["a", "b", "c"]],
  ["connections", ["b", "a", "c"]],
  ["messages", ["c", "a", "b"]],
  ["cpu", ["b", "c", "a"]],
  ["memory", ["c", "b", "a"]],
  ["lag", ["a", "c", "b"]],
])("sorted by %s, equal ones by id", (key, ids) => {
  const base = { connectionCount: 1, publishRate: 1, deliveryRate: 1, cpuShare: 0, busLagMs: 1 };
  const gateways = [
    gateway("c", {}, { ...base, publishRate: 9, cpuShare: 0.2, rssBytes: 9, busLagMs: 2 }),
    gateway("b", {}, { ...base, connectionCount: 5, cpuShare: 0.5, rssBytes: 5 }),
    gateway("a", {}, { ...base, busLagMs: 7, rssBytes: 1 }),
  ];
  expect(makePicture({ ...facts, gateways }, key).gateways.map(({ id }) => id)).toEqual(ids);
});

test("a fleet that is larger than the screen: each list has a part, and says what is left out", () => {
  const gateways = Array.from({ length: 100 }, (_, i) => gateway(`gw-${i}`));
  const rooms = Array.from({ length: 100 }, (_, i) => ({
    ...{ tenant: "acme", room: `chat:${i}`, memberCount: 1, gatewayCount: 1, messageRate: 100 - i },
  }));
  const lines = topLines(makePicture({ ...facts, gateways, rooms }, "connections"), style);
  expect(lines).toHaveLength(24);
  expect(lines.filter((line) => line.startsWith("… "))).toEqual(["… 94 more", "… 95 more"]);
  expect(lines.at(-1)).toBe("q quit");
});

test("whatever the screen and the fleet: never more rows or columns than it has", () => {
  const counts = fc.tuple(fc.nat(60), fc.nat(40), fc.nat(40));
  const sizes = fc.record({
    columns: fc.integer({ min: 40, max: 220 }),
    rows: fc.integer({ min: 4, max: 60 }),
  });
  const name = fc.string({ unit: "binary", maxLength: 50 });
  const check = fc.property(counts, sizes, name, fc.boolean(), (many, size, word, isAway) => {
    const [room] = facts.rooms;
    const [slow] = facts.slowConnections;
    if (room === undefined || slow === undefined) throw new Error("none");
    const picture = makePicture(
      {
        ...facts,
        gateways: Array.from({ length: many[0] }, (_, i) => gateway(`gw-${i}-with-a-long-name`)),
        rooms: Array.from({ length: many[1] }, () => ({ ...room, room: word })),
        slowConnections: Array.from({ length: many[2] }, () => ({ ...slow, user: word })),
      },
      "id",
    );
    const trouble = isAway ? "the control plane at 127.0.0.1:9090 can not be reached" : "";
    const lines = topLines(picture, { ...style, size, trouble });
    expect(lines.length).toBeLessThanOrEqual(size.rows);
    if (size.columns < 70) return; // numbers are not cut: below, lines are cut by the terminal
    for (const line of lines) expect(textWidth(line)).toBeLessThan(size.columns);
  });
  fc.assert(check, { numRuns: 200 });
});

test("without the role for rooms, and with nothing going on, each list says why it is empty", () => {
  const none = { ...facts, gateways: [], rooms: [], slowConnections: [], silentGateways: [] };
  const text = (changes: object) => topLines(makePicture({ ...none, ...changes }, "id"), style);
  expect(text({})).toEqual(
    expect.arrayContaining(["no gateway", "no messages in the last 10 s", "none"]),
  );
  const refused = text({ activityTrouble: "not shown: it needs the role operator" });
  expect(refused.filter((line) => line.startsWith("not shown"))).toHaveLength(2);
  expect(text({ silentGateways: ["gateways/eu-9"] })).toContain("not known of eu-9");
});
