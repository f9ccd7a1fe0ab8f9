import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { orderGates } from "../../../proto/gates/compile-gate.ts";
import {
  chooseGate,
  choosePlace,
  explainMiss,
  gatewayRules,
  isCompatible,
  judgeGate,
} from "../../../proto/gates/judge-client.ts";
import { GateAction } from "../../../proto/gen/tidegate/control/v1/version_gate.ts";
import { client, gate, gates } from "./gate-tools.ts";

const { ALLOW, WARN, READ_ONLY, REFUSE } = GateAction;

describe("judgeGate", () => {
  const minimum = gate("min", { client: "game", required: ">=2.1.0", action: REFUSE });

  test.each([
    ["2.0.9", null],
    ["2.1.0", "versions"],
    ["3.0.0", "versions"],
    ["2.1.0-beta.1", null],
    ["2.2.0-beta.1", "versions"],
    ["2.1", "versions"],
    ["v2.1.0", "versions"],
    ["2.1.0+build.7", "versions"],
    ["2", null],
    ["", null],
    ["nightly", null],
    ["2.1.0.4", null],
    ["99999999999999999999.0.0", null],
  ])("a minimum of 2.1.0 and version %j", (version, miss) => {
    expect(judgeGate(minimum, client(version), null)).toBe(miss);
  });

  test("a block of one release is about it alone, and not about what is no version", () => {
    const block = gate("block", { versions: "1.4.2", action: REFUSE });
    const misses = ["1.4.2", "1.4.1", "1.4.3", "", "nightly"].map((version) =>
      judgeGate(block, client(version), null),
    );
    expect(misses).toEqual([null, "versions", "versions", "versions", "versions"]);
  });

  test("tenant, client and platform must be the same", () => {
    const narrow = gate("narrow", {
      ...{ tenant: "tenants/acme", client: "game", platform: "ios" },
      ...{ versions: "*", action: WARN },
    });
    const judge = (more: Record<string, string>) => judgeGate(narrow, client("1.0.0", more), null);
    expect(judge({})).toBeNull();
    expect(judge({ tenant: "other" })).toBe("tenant");
    expect(judge({ name: "Game" })).toBe("client");
    expect(judge({ platform: "android" })).toBe("platform");
  });

  test("a gate of room classes is about rooms of them, one without about connections", () => {
    const rooms = gate("rooms", { roomClasses: ["game"], versions: "*", action: REFUSE });
    const all = gate("all", { versions: "*", action: REFUSE });
    expect([null, "game", "chat"].map((c) => judgeGate(rooms, client("1.0.0"), c))).toEqual([
      "class",
      null,
      "class",
    ]);
    expect([null, "game"].map((c) => judgeGate(all, client("1.0.0"), c))).toEqual([null, "class"]);
  });

  test("percent takes its part of the users, the same each time, and keeps them when it grows", () => {
    const share = (percent: number) => {
      const part = gate("rollout", { required: ">=2.0.0", action: REFUSE, percent });
      return new Set(
        Array.from({ length: 4000 }, (_, i) => `user-${i}`).filter(
          (key) => judgeGate(part, client("1.0.0", { key }), null) === null,
        ),
      );
    };
    const [none, tenth, half, all] = [0, 10, 50, 100].map(share);
    expect(none?.size).toBe(0);
    expect(all?.size).toBe(4000);
    // 5 standard deviations of a fair draw.
    expect(Math.abs((tenth?.size ?? 0) - 400)).toBeLessThan(95);
    expect(Math.abs((half?.size ?? 0) - 2000)).toBeLessThan(158);
    expect([...(tenth ?? [])].filter((key) => !half?.has(key))).toEqual([]);
    expect(share(10)).toEqual(tenth);
  });

  test("two gates of one percentage take different users", () => {
    const taken = (id: string) => {
      const part = gate(id, { required: ">=2.0.0", action: REFUSE, percent: 50 });
      return Array.from({ length: 200 }, (_, i) =>
        judgeGate(part, client("1.0.0", { key: `user-${i}` }), null),
      );
    };
    expect(taken("a")).not.toEqual(taken("b"));
  });
});

describe("chooseGate", () => {
  test("of those that concern a client the strictest decides", () => {
    const all = gates({
      old: { required: ">=1.0.0", action: REFUSE },
      ageing: { required: ">=2.0.0", action: READ_ONLY },
      stale: { required: ">=2.1.0", action: WARN },
    });
    const decided = ["0.9.0", "1.5.0", "2.0.5", "2.1.0"].map(
      (version) => chooseGate(all, client(version), null)?.id ?? null,
    );
    expect(decided).toEqual(["old", "ageing", "stale", null]);
  });

  test("a higher priority goes before strictness: an exception of a minimum", () => {
    const all = gates({
      min: { required: ">=2.0.0", action: REFUSE },
      testers: { client: "game", platform: "tv", versions: "*", action: ALLOW, priority: 10 },
    });
    expect(chooseGate(all, client("1.0.0", { platform: "tv" }), null)?.id).toBe("testers");
    expect(chooseGate(all, client("1.0.0"), null)?.id).toBe("min");
  });

  test("of equal ones the first by name decides, in whatever order they came", () => {
    const ids = ["a", "b", "c", "d"];
    fc.assert(
      fc.property(fc.shuffledSubarray(ids, { minLength: 4 }), (order) => {
        const all = orderGates(order.map((id) => gate(id, { versions: "*", action: WARN })));
        expect(chooseGate(all, client("1.0.0"), null)?.id).toBe("a");
      }),
    );
  });
});

describe("choosePlace", () => {
  const all = gates({
    game: {
      client: "game",
      roomClasses: ["game"],
      sets: [
        { name: "green", versions: ">=2.0.0 <3" },
        { name: "teal", versions: ">=3.0.0" },
      ],
    },
  });
  const place = (version: string, room: string, more = {}) =>
    choosePlace(all, client(version, more), room.slice(0, room.indexOf(":")), room);

  test("builds of a set go to the sibling, others stay", () => {
    expect(place("1.9.0", "game:lobby").room).toBe("game:lobby");
    expect(place("2.4.0", "game:lobby")).toMatchObject({ room: "game:lobby~green" });
    expect(place("3.0.0", "game:lobby").room).toBe("game:lobby~teal");
    expect(place("nightly", "game:lobby").room).toBe("game:lobby");
  });

  test("other classes, clients and tenants are left alone", () => {
    expect(place("2.4.0", "chat:lobby").room).toBe("chat:lobby");
    expect(place("2.4.0", "game:lobby", { name: "viewer" }).room).toBe("game:lobby");
  });

  test("a sibling that is named is open to its own set alone, whatever the client", () => {
    const named = (version: string, more = {}) => place(version, "game:lobby~green", more);
    expect(named("2.4.0")).toEqual({ room: "game:lobby~green", gate: null, isForeign: false });
    expect(named("3.0.0").isForeign).toBe(true);
    expect(named("1.0.0").isForeign).toBe(true);
    expect(named("2.4.0", { name: "viewer" }).isForeign).toBe(true);
    expect(place("1.0.0", "game:lobby~blue").isForeign).toBe(false);
  });
});

describe("gatewayRules and isCompatible", () => {
  const all = gates({
    v2: { client: "game", versions: ">=2.0.0", gateways: ">=0.3.0" },
    old: { versions: "<1.0.0", gateways: "<1.0.0", action: WARN },
  });
  const fits = (version: string, gateway: string) =>
    isCompatible(gatewayRules(all, client(version)), gateway);

  test("a client goes only to gateways of its range", () => {
    expect(fits("2.0.0", "0.3.0")).toBe(true);
    expect(fits("2.0.0", "0.2.9")).toBe(false);
    expect(fits("1.5.0", "0.0.1")).toBe(true);
    expect(fits("0.5.0", "1.0.0")).toBe(false);
  });

  test("a gateway whose version is not known fits those alone that no rule is about", () => {
    expect(fits("2.0.0", "")).toBe(false);
    expect(fits("1.5.0", "")).toBe(true);
  });
});

describe("explainMiss", () => {
  test("says what the gate saw", () => {
    const min = gate("min", { client: "game", required: ">=2.1.0", action: REFUSE, percent: 10 });
    const say = (version: string, more = {}) => {
      const subject = client(version, more);
      return explainMiss(min, subject, judgeGate(min, subject, null));
    };
    expect(say("2.1.0")).toBe('version "2.1.0" is in >=2.1.0, as wanted');
    expect(say("2.1.0", { name: "viewer" })).toBe('is about client "game", not "viewer"');
    expect(say("1.0.0", { key: "user-1" })).toMatch(/^is for 10 % of users; this one stands at \d/);
  });
});
