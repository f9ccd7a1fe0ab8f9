import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { InvalidFieldsError } from "../../controlplane/invalid-fields.ts";
import { answerError, encodeStatus } from "../../controlplane/status.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { ERRORS, type ErrorCode } from "../../proto/gen/errors.ts";
import { refusal } from "./start-control-plane.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

test("encodeStatus: every code has the gRPC status of its row, and its reason", async () => {
  for (const [code, row] of Object.entries(ERRORS)) {
    const answer = encodeStatus(new CodedError(code as ErrorCode, "what happened"));
    const decoded = await refusal(Promise.reject(answer));
    expect(status[decoded.grpc]).toBe(row.grpc);
    expect(decoded).toMatchObject({ code, domain: "tidegate.dev", message: "what happened" });
    expect(decoded.retryAfterMs).toBe(row.retry === "same" ? row.retryAfterMs : null);
  }
});

test("encodeStatus: field violations come one by one", async () => {
  const violations = ["a", "b.c"].map((field) => ({ field, description: "is bad" }));
  const answer = encodeStatus(new InvalidFieldsError(violations));
  expect(await refusal(Promise.reject(answer))).toMatchObject({
    grpc: status.INVALID_ARGUMENT,
    fields: ["a", "b.c"],
    message: "a: is bad; b.c: is bad",
  });
});

test("answerError: a programmer error is logged, and tells the caller only an id", async () => {
  const logged: object[] = [];
  const log = { ...silent, error: (fields: object) => logged.push(fields) };
  const fault = new TypeError("secret of the house");
  const decoded = await refusal(Promise.reject(answerError(log, "Service/Method", fault)));
  expect(decoded).toMatchObject({ grpc: status.INTERNAL, code: "INTERNAL" });
  expect(decoded.message).not.toContain("secret");
  expect(logged).toHaveLength(1);
  expect(logged[0]).toMatchObject({ err: fault, method: "Service/Method" });
  expect(decoded.message).toContain((logged[0] as { errorId: string }).errorId);
});
