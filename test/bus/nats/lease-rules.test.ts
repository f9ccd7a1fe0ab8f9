/** R12 as decisions: what a holder may do when, and what a starter does about a holder. */
import { describe, expect, test } from "vitest";
import {
  ABSENT_COUNT,
  type ClaimSeen,
  decideClaim,
  type Holder,
  heldUntilMs,
  judgeHolding,
  judgeReadBack,
  LEASE_TTL_MS,
  LOOP_GAP_MS_MAX,
  noteProbe,
  renewAfterMs,
  SILENCE_MS,
} from "../../../bus/nats/lease-rules.ts";

const holder: Holder = { incarnation: "old", revision: 7 };

describe("a holder", () => {
  test("renews every 5 s, and stops 3 s before 45 s counted from before its last renewal", () => {
    expect(renewAfterMs(LEASE_TTL_MS)).toBe(5000);
    expect(heldUntilMs(100, LEASE_TTL_MS)).toBe(42_100);
  });

  test.each([
    ["ticks and time left", 5000, 4900, 40_000, null],
    ["a gap of exactly the bound", 5000, 5000 - LOOP_GAP_MS_MAX, 40_000, null],
    ["a longer gap", 5000, 4999 - LOOP_GAP_MS_MAX, 40_000, "gap"],
    ["the last renewal too long ago", 5000, 4900, 5000, "expired"],
    ["both: the gap is what has to be told", 5000, 1000, 5000, "gap"],
  ])("%s", (_name, nowMs, tickMs, untilMs, verdict) => {
    expect(judgeHolding(nowMs, tickMs, untilMs)).toBe(verdict);
  });

  test.each([
    ["no lease", null, "gone"],
    ["its own", { incarnation: "me", revision: 9 }, "mine"],
    ["another's", holder, "taken"],
    ["one that says nothing", { incarnation: "", revision: 9 }, "taken"],
  ] as const)("whose write was refused finds %s", (_name, present, verdict) => {
    expect(judgeReadBack(present, "me")).toBe(verdict);
  });
});

describe("a starter", () => {
  /** What is known after probes with these outcomes, one a second from 0 on. */
  const seenAfter = (...outcomes: ("silent" | "absent")[]): ClaimSeen | null =>
    outcomes.reduce<ClaimSeen | null>(
      (seen, outcome, i) => noteProbe(seen, holder, outcome, i * 1000),
      null,
    );
  const absent = Array.from({ length: ABSENT_COUNT }, () => "absent" as const);

  test("takes an id that nobody has", () => {
    expect(decideClaim(null, null, "me", 0)).toEqual({ do: "create" });
  });

  test("asks a holder first", () => {
    expect(decideClaim(null, holder, "me", 0)).toEqual({ do: "probe" });
  });

  test("takes over at once, by revision, when nobody listens there, asked twice", () => {
    expect(decideClaim(seenAfter("absent"), holder, "me", 1)).toEqual({ do: "probe" });
    expect(decideClaim(seenAfter(...absent), holder, "me", 1)).toEqual({ do: "take", revision: 7 });
  });

  test("takes over after 10 s of silence, not before", () => {
    const seen = seenAfter("silent", "silent", "silent");
    expect(decideClaim(seen, holder, "me", SILENCE_MS - 1)).toEqual({ do: "probe" });
    expect(decideClaim(seen, holder, "me", SILENCE_MS)).toEqual({ do: "take", revision: 7 });
  });

  test("is refused by a holder that is silent and renews", () => {
    const renewed = { ...holder, revision: 8 };
    const step = decideClaim(seenAfter("silent"), renewed, "me", SILENCE_MS * 2);
    expect(step).toMatchObject({ do: "refuse" });
  });

  test("begins anew with another holder, and with one that listens again", () => {
    const other = { incarnation: "new", revision: 8 };
    expect(decideClaim(seenAfter(...absent), other, "me", SILENCE_MS)).toEqual({ do: "probe" });
    const seen = noteProbe(seenAfter(...absent), other, "absent", 5000);
    expect(seen).toEqual({ holder: other, absentCount: 1, silentFromMs: null });
    expect(seenAfter("absent", "silent")).toMatchObject({ absentCount: 0, silentFromMs: 1000 });
  });

  test("keeps what it wrote itself, though the answer was lost", () => {
    const own = { incarnation: "me", revision: 9 };
    expect(decideClaim(seenAfter("absent"), own, "me", 0)).toEqual({ do: "adopt", revision: 9 });
  });
});
