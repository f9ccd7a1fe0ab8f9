import { expect, test } from "vitest";
import { EXIT_CODE_MEANINGS, ExitCode, exitCodeOf } from "../../cli/exit-code.ts";
import { describeFailure, Failure, usageError } from "../../cli/failure.ts";
import { ERRORS } from "../../proto/gen/errors.ts";
import { TidegateError } from "../../sdk/typescript/index.ts";

test("exitCodeOf: every error code has an exit code that is explained, and none is OK", () => {
  for (const code of Object.keys(ERRORS)) {
    const exitCode = exitCodeOf(code);
    expect(exitCode, code).toBeGreaterThan(ExitCode.OK);
    expect(EXIT_CODE_MEANINGS[exitCode], code).toBeTruthy();
  }
  expect(exitCodeOf("SOMETHING_NEW")).toBe(ExitCode.FAILED);
});

test.each([
  ["UNAVAILABLE", ExitCode.UNREACHABLE],
  ["CONNECT_FAILED", ExitCode.UNREACHABLE],
  ["TOKEN_INVALID", ExitCode.REFUSED],
  ["PERMISSION_DENIED", ExitCode.REFUSED],
  ["ROOM_CLASS_UNKNOWN", ExitCode.NOT_FOUND],
  ["ETAG_MISMATCH", ExitCode.CONFLICT],
  ["MODE_IMMUTABLE", ExitCode.CONFLICT],
  ["OUTCOME_UNKNOWN", ExitCode.UNKNOWN_OUTCOME],
  ["OPTION_INVALID", ExitCode.USAGE],
  ["INTERNAL", ExitCode.FAILED],
])("exitCodeOf: %s ends with %d", (code, exitCode) => {
  expect(exitCodeOf(code)).toBe(exitCode);
});

test("describeFailure: what and why, then how to mend it, never a stack", () => {
  const full = new TidegateError("PERMISSION_DENIED", "you may not publish to chat:a");
  expect(describeFailure(full)).toEqual({
    text:
      "tidegatectl: you may not publish to chat:a [PERMISSION_DENIED]\n" +
      "  Use a token with the capability, or change the class.\n",
    exitCode: ExitCode.REFUSED,
  });
  expect(describeFailure(new Failure("FUTURE", "new", { fix: "" })).text).toBe(
    "tidegatectl: new [FUTURE]\n",
  );
  expect(describeFailure(usageError("bad")).exitCode).toBe(ExitCode.USAGE);
  const fault = describeFailure(new TypeError("x is undefined"));
  expect(fault.exitCode).toBe(ExitCode.FAILED);
  expect(fault.text).toContain("TIDEGATE_DEBUG=1");
  expect(fault.text).not.toContain("    at ");
});
