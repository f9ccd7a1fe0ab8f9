/** Definitions of flags: what is read, and the path of every fault. */
import { describe, expect, test } from "vitest";
import { CLIENT_FLAG_COUNT_MAX } from "../../../proto/flags/flag-record.ts";
import { mergeFlagSets, type StoredFlagSet } from "../../../proto/flags/merge-flag-sets.ts";
import { type ParsedFlagSet, parseFlagSet } from "../../../proto/flags/parse-flag-set.ts";

const flag = (partial: object = {}) => ({
  ...{ state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off" },
  ...partial,
});
const text = (targeting: unknown, rest: object = {}) =>
  JSON.stringify({ flags: { f: flag({ targeting }) }, ...rest });

function faultsOf(definition: string): string[] {
  return parseFlagSet(definition).faults.map(({ path, what }) => `${path}: ${what}`);
}

function setOf(definition: string): ParsedFlagSet {
  const { set, faults } = parseFlagSet(definition);
  expect(faults).toEqual([]);
  if (set === null) throw new Error("no set");
  return set;
}

test("a definition is read: kinds, metadata of the set below those of a flag, evaluators", () => {
  const set = setOf(
    JSON.stringify({
      metadata: { client: true, team: "web" },
      $evaluators: {
        staff: { ends_with: [{ var: "user" }, "@example.com"] },
        insider: { or: [{ $ref: "staff" }, { var: "beta" }] },
      },
      flags: {
        a: flag({ targeting: { if: [{ $ref: "insider" }, "on", null] } }),
        b: flag({ variants: { x: "1", y: "2" }, defaultVariant: "x", metadata: { client: false } }),
      },
    }),
  );
  const insider = {
    or: [{ ends_with: [{ var: "user" }, "@example.com"] }, { var: "beta" }],
  };
  expect(set.flags.get("a")).toMatchObject({ kind: "boolean", isForClients: true });
  expect(set.flags.get("a")?.definition.targeting).toEqual({ if: [insider, "on", null] });
  expect(set.flags.get("b")).toMatchObject({ kind: "string", isForClients: false });
  // What other flagd clients get needs no order of replacements.
  expect(set.document.$evaluators).toMatchObject({ insider });
});

const refused: [string, string, string][] = [
  ["text that is no JSON", "{", ": is no JSON: "],
  ["a list", "[]", ": is no object"],
  ["no flags", "{}", "flags: is missing"],
  ["a misspelt field", '{"flags":{},"evaluators":{}}', "evaluators: is not known"],
  [
    "a misspelt field of a flag",
    JSON.stringify({ flags: { f: flag({ defaultvariant: "on" }) } }),
    "flags.f.defaultvariant: is not known",
  ],
  ["a key with blanks", JSON.stringify({ flags: { "a b": flag() } }), 'flags["a b"]: has a key'],
  ["a key of prototypes", '{"flags":{"__proto__":{}}}', 'flags: has a key "__proto__"'],
  ["a state", JSON.stringify({ flags: { f: flag({ state: "ON" }) } }), 'flags.f.state: is "ON"'],
  [
    "variants of two kinds",
    JSON.stringify({ flags: { f: flag({ variants: { on: 1, off: true } }) } }),
    "flags.f.variants: are of several kinds",
  ],
  [
    "a null variant",
    JSON.stringify({ flags: { f: flag({ variants: { on: null, off: true } }) } }),
    "flags.f.variants.on: is null",
  ],
  [
    "a default that is no variant",
    JSON.stringify({ flags: { f: flag({ defaultVariant: "x" }) } }),
    'flags.f.defaultVariant: "x" is no variant',
  ],
  [
    "metadata",
    JSON.stringify({ flags: { f: flag({ metadata: { client: "yes" } }) } }),
    'flags.f.metadata.client: is "yes"',
  ],
  [
    "an operator that is none",
    text({ if: [{ isin: [1, 2] }, "on"] }),
    'flags.f.targeting.if[0]: "isin" is no operator',
  ],
  [
    "an operator of the library alone",
    text({ throw: "x" }),
    'flags.f.targeting: "throw" is no operator',
  ],
  [
    "two operators",
    text({ if: [{ "==": [1, 1], ">": [1, 2] }, "on"] }),
    "flags.f.targeting.if[0]: has no operator, or several",
  ],
  [
    "too few arguments",
    text({ if: [{ "==": [1] }, "on"] }),
    'flags.f.targeting.if[0]["=="]: has 1 arguments, wants 2',
  ],
  [
    "an outcome that is no variant",
    text({ if: [true, "onn", "off"] }),
    'flags.f.targeting.if[1]: "onn" is no variant',
  ],
  [
    "an else that is no variant",
    text({ if: [true, "on", { if: [true, "of"] }] }),
    'flags.f.targeting.if[2].if[1]: "of" is no variant',
  ],
  [
    "a share of no variant",
    text({
      fractional: [
        ["on", 1],
        ["of", 1],
      ],
    }),
    'flags.f.targeting.fractional[1][0]: "of" is no variant',
  ],
  [
    "a weight",
    text({
      fractional: [
        ["on", 0.5],
        ["off", 1],
      ],
    }),
    "flags.f.targeting.fractional[0][1]: 0.5 is no weight",
  ],
  [
    "weights too large",
    text({
      fractional: [
        ["on", 2e9],
        ["off", 2e9],
      ],
    }),
    "flags.f.targeting.fractional: weights sum up to",
  ],
  [
    "a version",
    text({ if: [{ sem_ver: [{ var: "client.version" }, ">=", "two"] }, "on"] }),
    'flags.f.targeting.if[0].sem_ver[2]: "two" is no semantic version',
  ],
  [
    "a comparison",
    text({ if: [{ sem_ver: [{ var: "v" }, "=>", "2.0.0"] }, "on"] }),
    'flags.f.targeting.if[0].sem_ver[1]: "=>" is no comparison',
  ],
  [
    "an unknown evaluator",
    text({ if: [{ $ref: "staff" }, "on"] }),
    'flags.f.targeting.if[0]: there is no evaluator "staff"',
  ],
  [
    "an evaluator with a fault",
    text({}, { $evaluators: { e: { nope: 1 } } }),
    '$evaluators.e: "nope" is no operator',
  ],
  [
    "evaluators in a circle",
    text(
      { if: [{ $ref: "a" }, "on"] },
      { $evaluators: { a: { "!": { $ref: "b" } }, b: { "!": { $ref: "a" } } } },
    ),
    '$evaluators.b["!"]: evaluators go in a circle: a -> b -> a',
  ],
  [
    "a rule that runs for long",
    text({
      if: [
        { some: [{ var: "user" }, { some: [{ var: "user" }, { "==": [{ var: "" }, "a"] }] }] },
        "on",
      ],
    }),
    "flags.f.targeting: may take",
  ],
  [
    "a flag of the system that is none",
    JSON.stringify({ flags: { "tidegate.nope": flag() } }),
    'flags["tidegate.nope"]: is not one of the system',
  ],
  [
    "a flag of the system of another kind",
    JSON.stringify({ flags: { "tidegate.ack-window-ms": flag() } }),
    'flags["tidegate.ack-window-ms"].variants: must be of kind number',
  ],
  [
    "a flag of the system for clients",
    JSON.stringify({ flags: { "tidegate.live-flags": flag({ metadata: { client: true } }) } }),
    'flags["tidegate.live-flags"].metadata: is for clients',
  ],
  [
    "501 flags",
    JSON.stringify({
      flags: Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`f${i}`, flag()])),
    }),
    "flags: has 501 flags, at most 500",
  ],
  ["98305 bytes", " ".repeat(98_305), ": has 98305 bytes"],
  [
    "65 levels and more",
    text(JSON.parse(`${'{"!":'.repeat(70)}1${"}".repeat(70)}`)),
    "is deeper than 64 levels",
  ],
];

describe("a definition is refused with the path of its fault", () => {
  test.each(refused)("%s", (_what, definition, fault) => {
    expect(faultsOf(definition).join("\n")).toContain(fault);
  });
});

test("evaluators that double at each level are refused, without being written out", () => {
  const $evaluators: Record<string, unknown> = { e0: { "==": [1, 1] } };
  for (let i = 1; i <= 40; i += 1) {
    $evaluators[`e${i}`] = { and: [{ $ref: `e${i - 1}` }, { $ref: `e${i - 1}` }] };
  }
  expect(faultsOf(text({ if: [{ $ref: "e40" }, "on"] }, { $evaluators })).join()).toMatch(
    /^\$evaluators: have more than 20000 values in all/,
  );
});

test("a chain of very many evaluators is refused", () => {
  const $evaluators: Record<string, unknown> = {};
  for (let i = 0; i < 2000; i += 1) $evaluators[`e${i}`] = { "!": { $ref: `e${i + 1}` } };
  $evaluators.e2000 = true;
  const faults = faultsOf(text({ if: [{ $ref: "e0" }, "on"] }, { $evaluators }));
  expect(faults.join()).toContain("over more than 64 levels");
});

test("at most 16 faults are told", () => {
  const flags = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, 1]));
  expect(faultsOf(JSON.stringify({ flags }))).toHaveLength(16);
});

describe("sets together", () => {
  const stored = (flags: object, versions: [string, number][] = []): StoredFlagSet => ({
    ...{ parsed: setOf(JSON.stringify({ flags })), versions: new Map(versions) },
  });

  test("of two sets with one key the first by name counts, in whatever order they come", () => {
    const b = stored({ one: flag(), two: flag() }, [["one", 7]]);
    const a = stored({ one: flag({ defaultVariant: "on" }) }, [["one", 9]]);
    const merged = mergeFlagSets(
      new Map([
        ["b", b],
        ["a", a],
      ]),
    );
    expect([...merged.flags].map(([key, { set, version }]) => [key, set, version])).toEqual([
      ["one", "a", 9],
      ["two", "b", 0],
    ]);
    expect(merged.conflicts).toEqual(["flag one is in flagSets/a, which counts, and flagSets/b"]);
  });

  test("no more than 100 flags are for clients", () => {
    const many = Object.fromEntries(
      Array.from({ length: CLIENT_FLAG_COUNT_MAX + 1 }, (_, i) => [
        `f${i}`,
        flag({ metadata: { client: true } }),
      ]),
    );
    const merged = mergeFlagSets(new Map([["a", stored(many)]]));
    const forClients = [...merged.flags.values()].filter(({ isForClients }) => isForClients);
    expect([merged.flags.size, forClients.length]).toEqual([101, 100]);
    expect(merged.conflicts).toEqual([
      "flag f100 of flagSets/a is not sent to clients: 100 others are, the most",
    ]);
  });
});
