/** Capabilities: which grants allow what in which rooms. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  Action,
  ALL_ACTIONS,
  DEFAULT_ACTIONS,
  isGranted,
  makeIdentity,
  matchesPattern,
} from "../../gateway/identity.ts";

describe("matchesPattern", () => {
  test.each([
    ["*", "chat:a", true],
    ["*", "", true],
    ["", "", true],
    ["", "a", false],
    ["chat:*", "chat:a", true],
    ["chat:*", "chat:", true],
    ["chat:*", "chatter:a", false],
    ["chat:*", "xchat:a", false],
    ["chat:a", "chat:a", true],
    ["chat:a", "chat:ab", false],
    ["chat:a", "chat:A", false],
    ["*:a", "chat:a", true],
    ["*:a", "chat:b:a", true],
    ["chat:*:x", "chat:a:b:x", true],
    ["chat:*:x", "chat:a:b:y", false],
    ["**", "chat:a", true],
    ["a*b*c", "a-c-b-c", true],
    ["a*b*c", "a-c-b-", false],
    ["chat:.*", "chat:a", false],
    ["chat:[ab]", "chat:a", false],
    ["chat:?", "chat:a", false],
    ["chat:\u{1f600}*", "chat:\u{1f600}x", true],
  ])("%j on %j: %s", (pattern, text, expected) => {
    expect(matchesPattern(pattern, text)).toBe(expected);
  });

  test("agrees with a regular expression made from the pattern, seed 20261122", () => {
    const letters = fc.constantFrom("a", "b", ":", "*", ".");
    const texts = fc.array(letters, { maxLength: 12 }).map((each) => each.join(""));
    fc.assert(
      fc.property(texts, texts, (pattern, text) => {
        const parts = pattern.split("*").map((part) => part.replaceAll(".", "\\."));
        expect(matchesPattern(pattern, text)).toBe(new RegExp(`^${parts.join(".*")}$`).test(text));
      }),
      { numRuns: 5000, seed: 20_261_122 },
    );
  });

  test("a hostile pattern costs length x length at most, not a run for ever", () => {
    const pattern = `${"*a".repeat(2000)}b`;
    expect(matchesPattern(pattern, "a".repeat(200))).toBe(false);
  });
});

describe("isGranted", () => {
  const identity = makeIdentity({
    tenant: "default",
    user: "a",
    grants: [
      { rooms: "chat:*", actions: Action.JOIN },
      { rooms: "chat:desk", actions: Action.PUBLISH | Action.HISTORY },
      { rooms: "live:*", actions: 0 },
    ],
  });

  test("grants add up, and one without actions gives nothing", () => {
    const allowed = (room: string) =>
      Object.values(Action).filter((action) => isGranted(identity, action, room));
    expect(allowed("chat:a")).toEqual([Action.JOIN]);
    expect(allowed("chat:desk")).toEqual([Action.JOIN, Action.PUBLISH, Action.HISTORY]);
    expect(allowed("live:a")).toEqual([]);
    expect(allowed("team:a")).toEqual([]);
  });

  test("all actions are the six, and a token without grants may do all but manage and trace", () => {
    const all = Object.values(Action).reduce((sum, action) => sum + action, 0);
    expect(ALL_ACTIONS).toBe(all);
    expect(DEFAULT_ACTIONS).toBe(all - Action.MANAGE - Action.TRACE);
  });
});
