/** The small pure parts: back-off, ends, clock, codecs, positions, options, errors. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERRORS } from "../../proto/gen/errors.ts";
import { backoffMs, DIAL_FIRST_MS } from "../../sdk/typescript/backoff.ts";
import { bytes, json, text } from "../../sdk/typescript/codec.ts";
import { decideEnd } from "../../sdk/typescript/connection-end.ts";
import { TidegateError } from "../../sdk/typescript/error.ts";
import { DEFAULTS, validateLimits, validateUrl } from "../../sdk/typescript/options.ts";
import { formatPosition, parsePosition } from "../../sdk/typescript/position.ts";
import { ServerClock } from "../../sdk/typescript/server-clock.ts";
import { describeRefusal } from "../../sdk/typescript/upgrade.ts";

describe("backoffMs", () => {
  test("doubles from 250 ms to 30 s, and takes a random time below", () => {
    const most = [0, 1, 2, 3, 6, 7, 100].map((failed) => backoffMs(failed, 0, 0.999999, false));
    expect(most).toEqual([249, 499, 999, 1999, 15_999, 29_999, 29_999]);
    expect(backoffMs(5, 0, 0, false)).toBe(0);
    const dials = [0, 1, 9].map((failed) => backoffMs(failed, 0, 0.999999, false, DIAL_FIRST_MS));
    expect(dials).toEqual([999, 1999, 29_999]);
  });

  test("waits at least as long as the gateway asked", () => {
    expect(backoffMs(0, 1000, 0.5, false)).toBe(1000);
    expect(backoffMs(7, 1000, 0.5, false)).toBe(15_000);
  });

  test("at most 2 s while publishes wait, unless the gateway asked for more", () => {
    const most = [0, 1, 3, 4, 7, 100, 9999].map((failed) => backoffMs(failed, 0, 0.999999, true));
    expect(most).toEqual([249, 499, 1999, 1999, 1999, 1999, 1999]);
    expect(backoffMs(7, 0, 0, true)).toBe(0);
    expect(backoffMs(7, 5000, 0.5, true)).toBe(5000);
  });
});

describe("decideEnd", () => {
  const end = { reason: "" };

  test("every close code of the error table: its code, and the advice of its range", () => {
    const rows = Object.entries(ERRORS).filter(([, info]) => info.close !== null);
    expect(rows.length).toBeGreaterThan(8);
    for (const [, info] of rows) {
      const decided = decideEnd({ ...end, closeCode: info.close ?? 0 }, null);
      // Of codes with one close code the first is named, when no ErrorFrame came before.
      const [first] = rows.find(([, other]) => other.close === info.close) ?? [];
      expect([decided.error.code, decided.mayReconnect]).toEqual([first, info.retry !== "no"]);
    }
  });

  test.each([
    [1000, true],
    [1001, true],
    [1005, true],
    [1006, true],
    [1011, true],
    [1013, true],
    [4499, true],
    [1002, false],
    [1003, false],
    [1007, false],
    [1008, false],
    [1009, false],
    [4500, false],
    [4999, false],
  ])("close code %i: connects again %s", (closeCode, mayReconnect) => {
    const decided = decideEnd({ ...end, closeCode }, null);
    expect(decided.mayReconnect).toBe(mayReconnect);
    expect(decided.error.retryable).toBe(mayReconnect);
  });

  test("the gateway's last word names the error", () => {
    const said = new TidegateError("TOKEN_INVALID", "expired");
    expect(decideEnd({ ...end, closeCode: 4504 }, said)).toEqual({
      error: said,
      mayReconnect: false,
    });
  });

  test("a refused upgrade: 403 is for good and names its reason, 503 is not", () => {
    const cause = new Error("Unexpected server response");
    expect(describeRefusal(403, "[ORIGIN_REFUSED] not yours", cause)).toMatchObject({
      mayReconnect: false,
      error: { code: "ORIGIN_REFUSED", retryable: false, cause },
    });
    expect(describeRefusal(503, "", cause).mayReconnect).toBe(true);
    expect(describeRefusal(429, "", cause).mayReconnect).toBe(true);
  });
});

describe("ServerClock", () => {
  test("nowUs: the newest sample plus what the monotonic clock has advanced", () => {
    const clock = new ServerClock();
    expect(clock.nowUs(50)).toBe(0);
    clock.sample(1_700_000_000_000_000, 100);
    expect(clock.nowUs(100.5)).toBe(1_700_000_000_000_500);
    clock.sample(1_700_000_000_000_100, 200); // steps back: still the newest
    expect(clock.nowUs(200)).toBe(1_700_000_000_000_100);
    expect([clock.isOld(30_200), clock.isOld(30_201)]).toEqual([false, true]);
  });
});

describe("codecs", () => {
  test("bytes, text and json: give back what they were given", () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        (value) => void expect(bytes.decode(bytes.encode(value))).toEqual(value),
      ),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        (value) => void expect(text.decode(text.encode(value))).toBe(value),
      ),
    );
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const codec = json<unknown>();
        expect(codec.decode(codec.encode(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test("bytes: what is decoded keeps no larger buffer alive", () => {
    const frame = new Uint8Array(65_536);
    expect(bytes.decode(frame.subarray(10, 14)).buffer.byteLength).toBe(4);
  });

  test("text and json: refuse what they can not represent", () => {
    expect(() => text.decode(Uint8Array.of(0xff))).toThrow();
    expect(() => json().decode(text.encode("{"))).toThrow();
    expect(() => json().encode(undefined)).toThrow(/undefined/);
  });
});

describe("positions", () => {
  test("parsePosition: reads what formatPosition wrote", () => {
    const position = { epoch: 3, seq: 9_007_199_254_740_991, timeUs: 1_795_336_358_512_000 };
    expect(formatPosition(position)).toBe("3.9007199254740991.1795336358512000");
    expect(parsePosition(formatPosition(position))).toEqual(position);
  });

  test.each(["", "1.2", "1.2.3.4", "0.1.1", "1.-2.3", "4294967296.1.1", "a.b.c", "1.2.3 "])(
    "parsePosition: refuses %j",
    (position) => expect(() => parsePosition(position)).toThrow(/\[REQUEST_INVALID\]/),
  );
});

describe("options", () => {
  test("validateLimits: fills in the defaults", () => {
    expect(validateLimits({})).toEqual({
      connectTimeoutMs: 20_000,
      handshakeTimeoutMs: 10_000,
      publishWindowMax: 256,
      publishQueueCountMax: 4096,
      publishQueueBytesMax: 8_388_608,
      publishWaitMaxMs: 20_000,
      roomQueueCountMax: 2048,
      roomQueueBytesMax: 4_194_304,
    });
    expect(validateLimits({})).toEqual(DEFAULTS);
    expect(validateLimits({ connectTimeoutMs: Infinity }).connectTimeoutMs).toBe(Infinity);
  });

  test.each([
    [{ publishWindowMax: 0 }, "publishWindowMax is 0, not a whole number from 1 to 10000"],
    [{ roomQueueCountMax: 1.5 }, "roomQueueCountMax is 1.5"],
    [{ roomQueueBytesMax: Number.NaN }, "roomQueueBytesMax is NaN"],
    [{ handshakeTimeoutMs: Infinity }, "handshakeTimeoutMs is Infinity"],
  ])("validateLimits: refuses %j, naming value and bounds", (partial, words) => {
    expect(() => validateLimits(partial)).toThrow(words);
  });

  test.each(["http://a/ws", "ws://", "ws:///ws", "127.0.0.1:80", "ws://a b/", "ws://a/#x"])(
    "validateUrl: refuses %j",
    (url) => expect(() => validateUrl(url)).toThrow(/\[OPTION_INVALID\]/),
  );
});

describe("TidegateError", () => {
  test("takes advice from the table, and the gateway's word before it", () => {
    const plain = new TidegateError("STORE_FULL", "full");
    expect(plain).toMatchObject({
      retryable: true,
      retryAfterMs: 1000,
      message: "[STORE_FULL] full",
    });
    expect(plain.fix).toMatch(/shorten retention/);
    const told = new TidegateError("STORE_FULL", "full", { retryable: false, retryAfterMs: 7 });
    expect([told.retryable, told.retryAfterMs]).toEqual([false, 7]);
  });

  test("knows nothing of codes from the future, nor of names every object has", () => {
    for (const code of ["NEW_CODE", "constructor", "__proto__"]) {
      expect(new TidegateError(code, "x")).toMatchObject({ code, retryable: false, fix: "" });
    }
  });
});
