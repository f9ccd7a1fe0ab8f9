import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkGate } from "../../../proto/gates/check-gate.ts";
import { readGate } from "../../../proto/gates/compile-gate.ts";
import { isOverlapping, isWithin, parseRange, parseVersion } from "../../../proto/gates/semver.ts";
import { GateAction, VersionGate } from "../../../proto/gen/tidegate/control/v1/version_gate.ts";
import { gateRecord } from "./gate-tools.ts";

const { ALLOW, WARN, REFUSE } = GateAction;
const minimum = { required: ">=2.1.0", action: REFUSE };

function faults(fields: Partial<VersionGate>): string[] {
  return checkGate(gateRecord(fields)).map(({ path, description }) => `${path} ${description}`);
}

describe("checkGate", () => {
  test.each<[string, Partial<VersionGate>]>([
    ["a minimum", minimum],
    ["a block", { versions: "1.4.2 || 1.4.3", required: ">=1.4.4", action: REFUSE }],
    ["an exception", { versions: "*", platform: "tv", action: ALLOW, priority: 1000 }],
    ["a store's address", { ...minimum, downloadUrl: "itms-apps://apple.com/app/id1" }],
    ["sets alone", { sets: [{ name: "green", versions: ">=2.0.0" }] }],
    ["gateways alone", { versions: ">=2.0.0", gateways: ">=0.3.0" }],
    ["percent 0", { ...minimum, percent: 0 }],
  ])("%s is fine", (_, fields) => {
    expect(faults(fields)).toEqual([]);
  });

  test.each<[string, Partial<VersionGate>, RegExp]>([
    ["nothing", {}, /^action is missing/],
    ["no versions", { action: WARN }, /^versions is missing, and so is required/],
    ["no range", { ...minimum, required: "two" }, /^required "two" is no semantic version range/],
    [
      "an impossible range",
      { ...minimum, required: ">2 <1" },
      /^required ">2 <1" holds no version/,
    ],
    ["an empty alternative", { ...minimum, required: ">=2 ||" }, /^required .* empty alternative/],
    ["a long range", { ...minimum, required: `>=1${" ".repeat(256)}` }, /^required has 259 char/],
    [
      "many alternatives",
      { ...minimum, required: Array(17).fill("1").join("||") },
      /^required has/,
    ],
    ["overlap", { ...minimum, versions: "<2.2.0" }, /^required .* would be met by the gate again/],
    ["allow with a wish", { ...minimum, action: ALLOW }, /^required goes with WARN/],
    ["allow with words", { versions: "*", action: ALLOW, message: "a" }, /^message goes with WARN/],
    [
      "words for sets",
      { sets: [{ name: "a", versions: "1" }], message: "b" },
      /^message means not/,
    ],
    ["an unknown action", { ...minimum, action: 9 as GateAction }, /^action 9 is not ALLOW/],
    [
      "a script",
      { ...minimum, downloadUrl: "javascript:alert(1)" },
      /^download_url .* is no URL of/,
    ],
    ["a path", { ...minimum, downloadUrl: "/get" }, /^download_url "\/get" is no URL of/],
    [
      "a long message",
      { ...minimum, message: "é".repeat(257) },
      /^message has 514 bytes, at most 512/,
    ],
    ["a line break", { ...minimum, message: "a\nb" }, /^message has control characters/],
    ["a long client", { ...minimum, client: "x".repeat(65) }, /^client has 65 bytes, at most 64/],
    ["a bare tenant", { ...minimum, tenant: "acme" }, /^tenant "acme" is not "tenants\/{tenant}"/],
    ["percent", { ...minimum, percent: 101 }, /^percent 101 is not from 0 to 100/],
    ["priority", { ...minimum, priority: 1001 }, /^priority 1001 is not from 0 to 1000/],
    ["a class", { ...minimum, roomClasses: ["Game"] }, /^room_classes\[0\] "Game" is not/],
    ["a class twice", { ...minimum, roomClasses: ["a", "a"] }, /^room_classes\[1\] "a" is named/],
    [
      "gateways of rooms",
      { versions: "1", gateways: "1", roomClasses: ["a"] },
      /^gateways is about/,
    ],
    ["gateways of some", { versions: "1", gateways: "1", percent: 5 }, /^percent does not go/],
    [
      "a set's name",
      { sets: [{ name: "Green", versions: "2" }] },
      /^sets\[0\].name "Green" is not/,
    ],
    [
      "a set's range",
      { sets: [{ name: "green", versions: "" }] },
      /^sets\[0\].versions is missing/,
    ],
  ])("%s is refused by its path", (_, fields, fault) => {
    const found = faults(fields);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(fault);
  });

  test("sets with versions in common are refused, and sets that the gate itself refuses", () => {
    const sets = [
      { name: "blue", versions: "<2.0.0" },
      { name: "green", versions: ">=1.9.0" },
    ];
    expect(faults({ sets })).toEqual([
      expect.stringMatching(/^sets\[1\].versions ">=1.9.0" and "<2.0.0" of sets\[0\] have/),
    ]);
    const refused = { sets: sets.slice(0, 1), versions: "<3.0.0", action: REFUSE };
    expect(faults(refused)).toEqual([
      expect.stringMatching(/^sets\[0\].versions are all refused by this very gate/),
    ]);
  });

  test("all faults are told at once", () => {
    const found = faults({ required: "two", versions: "three", percent: 200, priority: 5000 });
    expect(found.map((fault) => fault.split(" ")[0])).toEqual(
      expect.arrayContaining(["required", "versions", "percent", "priority", "action"]),
    );
  });
});

describe("readGate", () => {
  const value = (fields: Partial<VersionGate>) => VersionGate.encode(gateRecord(fields)).finish();

  test("reads what the control plane wrote", () => {
    expect(readGate("gate.min", value(minimum))).toMatchObject({ id: "min", percent: 100 });
  });

  test("says why a record is none", () => {
    expect(readGate("gate.min", value({ ...minimum, required: "two" }))).toMatch(/^required: /);
    expect(readGate("gate.a.b", value(minimum))).toBe("the key is no gate");
    expect(() => readGate("gate.min", Buffer.from([0x0a, 0x05, 0x61]))).toThrow();
  });
});

describe("parseRange and parseVersion", () => {
  const part = fc.stringMatching(/^[0-9xX*.^~<>=|v &a-c+-]{0,40}$/);
  const version = fc
    .tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.constantFrom("", "-beta.1", "-0"))
    .map(([major, minor, patch, pre]) => `${major}.${minor}.${patch}${pre}`);
  const operator = fc.constantFrom(">=", "<", ">", "<=", "^", "~", "=", "");
  const comparator = fc.tuple(operator, version).map((words) => words.join(""));
  const range = fc
    .array(fc.array(comparator, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 })
    .map((alternatives) => alternatives.map((each) => each.join(" ")).join(" || "));
  const text = fc.oneof(
    range,
    version,
    part,
    fc.string({ maxLength: 300 }),
    fc.string({ unit: "grapheme" }),
  );

  test("answer whatever they are given, and agree with themselves", () => {
    fc.assert(
      fc.property(text, text, text, (left, right, said) => {
        const [a, b, found] = [parseRange(left), parseRange(right), parseVersion(said)];
        if (typeof a === "string" || typeof b === "string") return;
        const isBoth = found !== null && a.test(found) && b.test(found);
        if (isBoth) expect(isOverlapping(a, b)).toBe(true);
        if (found !== null && isWithin(a, b) && a.test(found)) expect(b.test(found)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
