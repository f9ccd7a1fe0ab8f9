/** Which addresses only this machine can reach. */
import { expect, test } from "vitest";
import { isLoopback } from "../../proto/loopback.ts";

test.each([
  ["127.0.0.1", true],
  ["127.255.0.9", true],
  ["localhost", true],
  ["::1", true],
  ["0.0.0.0", false],
  ["::", false],
  ["", false],
  ["127.0.0.1.example", false],
  ["localhost.example", false],
  ["10.0.0.1", false],
  ["127.0.0.1234", false],
])("isLoopback: %j is %s", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
