import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePageToken, encodePageToken } from "../../controlplane/page-token.ts";
import { CodedError } from "../../proto/coded-error.ts";

const scope = ["ListHistory", "default", "chat:a"];

test("decodePageToken: gives back the place, and null for the first page", () => {
  expect(decodePageToken(scope, encodePageToken(scope, ["1.2.3", "x"]))).toEqual(["1.2.3", "x"]);
  expect(decodePageToken(scope, "")).toBeNull();
});

test("decodePageToken: refuses a token of any other listing", () => {
  const token = encodePageToken(scope, ["1.2.3"]);
  for (const other of [
    ["ListHistory", "default", "chat:b"],
    ["ListHistory", "other", "chat:a"],
    ["ListRoomClasses", "default", "chat:a"],
    ["ListHistory", "defaultchat:a", ""],
  ]) {
    expect(() => decodePageToken(other, token)).toThrow("page_token");
  }
});

test("decodePageToken: arbitrary text is refused with REQUEST_INVALID, never another error", () => {
  const token = encodePageToken(scope, ["1.2.3"]);
  const cut = fc.nat(token.length - 1).map((at) => token.slice(0, at + 1));
  const any = fc.oneof(fc.string({ minLength: 1 }), fc.base64String({ minLength: 1 }), cut);
  fc.assert(
    fc.property(any, (text) => {
      try {
        const place = decodePageToken(scope, text);
        expect(place?.[0]?.length).toBeLessThanOrEqual(5); // a cut that only shortens the place
      } catch (error) {
        expect(error).toBeInstanceOf(CodedError);
        expect((error as CodedError).code).toBe("REQUEST_INVALID");
      }
    }),
    { numRuns: 2000 },
  );
});
