/** Evaluation by flagd's library: reasons, errors, sticky shares, and every operator we let in. */
import { expect, test } from "vitest";
import { type ClientContext, clientContext } from "../../../proto/client-context.ts";
import { FlagEngine } from "../../../proto/flags/flag-engine.ts";
import { mergeFlagSets } from "../../../proto/flags/merge-flag-sets.ts";
import { OPERATORS } from "../../../proto/flags/operators.ts";
import { parseFlagSet } from "../../../proto/flags/parse-flag-set.ts";

const engine = await FlagEngine.load();

function compile(flags: object, rest: object = {}) {
  const { set, faults } = parseFlagSet(JSON.stringify({ flags, ...rest }));
  expect(faults).toEqual([]);
  if (set === null) throw new Error("no set");
  const { flags: merged } = mergeFlagSets(new Map([["a", { parsed: set, versions: new Map() }]]));
  return new Map([...merged].map(([key, source]) => [key, engine.compile(source)]));
}

const contextOf = (user: string, version = "2.1.0"): ClientContext =>
  clientContext({
    ...{ connectionId: "gw-1", tenant: "acme", user, attributes: { plan: "gold" } },
    profile: { build: { name: "app", version, platform: "node" }, region: "", attributes: [] },
    gateway: { id: "gw", region: "eu" },
  });

const base = { state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off" };

test("reasons are STATIC, TARGETING_MATCH, DEFAULT, DISABLED and ERROR, each with its value", () => {
  const flags = compile({
    static: base,
    match: { ...base, targeting: { if: [{ "==": [{ var: "plan" }, "gold"] }, "on"] } },
    fallback: { ...base, targeting: { if: [{ "==": [{ var: "plan" }, "tin"] }, "on", null] } },
    none: { ...base, defaultVariant: null },
    disabled: { ...base, state: "DISABLED" },
    error: { ...base, targeting: { cat: [{ var: "user" }, "x"] } },
  });
  const got = [...flags].map(([key, flag]) => {
    const { valueJson, variant, reason } = flag.evaluate(contextOf("anna"));
    return [key, valueJson, variant, reason];
  });
  expect(got).toEqual([
    ["static", "false", "off", "STATIC"],
    ["match", "true", "on", "TARGETING_MATCH"],
    ["fallback", "false", "off", "DEFAULT"],
    ["none", "", "", "DEFAULT"],
    ["disabled", "", "", "DISABLED"],
    ["error", "", "", "ERROR"],
  ]);
});

test("equal outcomes are one object", () => {
  const flag = compile({
    f: { ...base, targeting: { if: [{ "==": [{ var: "user" }, "anna"] }, "on"] } },
  }).get("f");
  expect(flag?.evaluate(contextOf("anna"))).toBe(flag?.evaluate(contextOf("anna")));
  expect(flag?.evaluate(contextOf("anna"))).not.toBe(flag?.evaluate(contextOf("ben")));
});

test("a share is the same for a user everywhere, and grows without moving who has it", () => {
  const at = (percent: number) =>
    compile({
      f: {
        ...base,
        targeting: {
          fractional: [
            ["on", percent],
            ["off", 100 - percent],
          ],
        },
      },
    }).get("f");
  const users = Array.from({ length: 2000 }, (_, i) => `user-${i}`);
  const withIt = (percent: number, version: string) => {
    const flag = at(percent);
    return users.filter((user) => flag?.evaluate(contextOf(user, version)).variant === "on");
  };
  const ten = withIt(10, "1.0.0");
  expect(withIt(10, "9.0.0")).toEqual(ten);
  const thirty = new Set(withIt(30, "1.0.0"));
  expect(ten.every((user) => thirty.has(user))).toBe(true);
  expect(ten.length).toBeGreaterThan(140);
  expect(ten.length).toBeLessThan(260);
  expect(thirty.size).toBeGreaterThan(520);
});

test("evaluators that use each other work in either order", () => {
  const evaluators = {
    staff: { ends_with: [{ var: "user" }, "@example.com"] },
    insider: { and: [{ $ref: "staff" }, { sem_ver: [{ var: "client.version" }, ">=", "2.0.0"] }] },
  };
  const flags = { f: { ...base, targeting: { if: [{ $ref: "insider" }, "on"] } } };
  const reversed = Object.fromEntries(Object.entries(evaluators).reverse());
  for (const $evaluators of [evaluators, reversed]) {
    const flag = compile(flags, { $evaluators }).get("f");
    expect(flag?.evaluate(contextOf("anna@example.com")).variant).toBe("on");
    expect(flag?.evaluate(contextOf("anna@example.com", "1.9.0")).variant).toBe("off");
    expect(flag?.evaluate(contextOf("ben")).variant).toBe("off");
  }
});

test("every operator that is let in is one that the library knows", () => {
  for (const [operator, [min]] of OPERATORS) {
    const parts = Array.from({ length: Math.max(1, min) }, () => ({ var: "user" }));
    const rule = operator === "fractional" ? { fractional: [["on", 1]] } : { [operator]: parts };
    const flag = compile({ f: { ...base, targeting: { if: [{ "!!": rule }, "on", "on"] } } }).get(
      "f",
    );
    expect([operator, flag?.evaluate(contextOf("a")).error]).not.toEqual([
      operator,
      expect.stringContaining("Invalid targeting"),
    ]);
  }
});

test("no text of a definition becomes code", () => {
  const word = '");globalThis.broken=true;("';
  const flag = compile({
    f: { ...base, targeting: { if: [{ in: [{ var: word }, [word]] }, "on", "off"] } },
  }).get("f");
  flag?.evaluate(contextOf("anna"));
  expect("broken" in globalThis).toBe(false);
});
