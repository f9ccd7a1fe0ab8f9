/** Whatever a definition is, it is read or refused; what is read can be evaluated, in bounds. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { clientContext } from "../../../proto/client-context.ts";
import { FlagEngine } from "../../../proto/flags/flag-engine.ts";
import { mergeFlagSets } from "../../../proto/flags/merge-flag-sets.ts";
import { OPERATORS } from "../../../proto/flags/operators.ts";
import { parseFlagSet } from "../../../proto/flags/parse-flag-set.ts";

const engine = await FlagEngine.load();
const context = clientContext({
  ...{ connectionId: "gw-1", tenant: "acme", user: "anna", attributes: { plan: "gold", n: 3 } },
  profile: {
    ...{ build: { name: "app", version: "2.1.0", platform: "node" }, region: "" },
    attributes: [{ key: "x", value: "y" }],
  },
  gateway: { id: "gw", region: "eu" },
});

const { rule } = fc.letrec<{ rule: unknown }>((tie) => ({
  rule: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom("on", "off", null, true, 0, "2.0.0", ">=", "user", "client.version"),
    fc.constantFrom({ var: "user" }, { var: "plan" }, { var: "n" }, { $ref: "e" }, { $ref: "g" }),
    fc.array(tie("rule"), { maxLength: 4 }),
    fc
      .tuple(
        fc.constantFrom(...OPERATORS.keys(), "nope", "throw"),
        fc.array(tie("rule"), { maxLength: 4 }),
      )
      .map(([operator, parts]) => ({ [operator]: parts })),
  ),
}));

test("rules of any shape", () => {
  let readCount = 0;
  fc.assert(
    fc.property(rule, rule, rule, (targeting, e, g) => {
      const flag = {
        ...{ state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off" },
        targeting: { if: [targeting, "on", { if: [{ $ref: "e" }, "off", "on"] }] },
      };
      const definition = JSON.stringify({ $evaluators: { e, g }, flags: { f: flag } });
      const { set, faults } = parseFlagSet(definition);
      expect(set === null).toBe(faults.length > 0);
      for (const { path, what } of faults) expect([path, what]).not.toContain("");
      if (set === null) return;
      readCount += 1;
      const sets = new Map([["a", { parsed: set, versions: new Map<string, number>() }]]);
      for (const source of mergeFlagSets(sets).flags.values()) {
        const outcome = engine.compile(source).evaluate(context);
        expect(["true", "false", ""]).toContain(outcome.valueJson);
        expect(outcome.error).not.toContain("Invalid targeting");
      }
    }),
    { numRuns: 2000, seed: 6 },
  );
  expect(readCount).toBeGreaterThan(50);
});

test("documents of any shape, and cut ones", () => {
  const good = JSON.stringify({
    metadata: { client: true },
    flags: { f: { state: "ENABLED", variants: { on: 1 }, defaultVariant: "on" } },
  });
  fc.assert(
    fc.property(fc.json(), fc.nat(good.length - 1), (text, end) => {
      expect(parseFlagSet(text).set).toBeNull();
      expect(parseFlagSet(good.slice(0, end)).set).toBeNull();
      expect(parseFlagSet(`{"flags":{"f":${text}}}`).set).toBeNull();
    }),
    { numRuns: 500, seed: 6 },
  );
});
