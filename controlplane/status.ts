/**
 * The one place where errors become gRPC statuses: code, sentence, and google.rpc details.
 *
 * The status comes from proto/errors.json. `grpc-status-details-bin` carries ErrorInfo (reason: our
 * code, domain: tidegate.dev, metadata.fix: what to do, metadata.required_role), BadRequest (which
 * fields) and RetryInfo. What was not expected is INTERNAL: the caller gets an id, the log gets the
 * rest.
 */
import { randomUUID } from "node:crypto";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { CodedError } from "../proto/coded-error.ts";
import type { Any } from "../proto/gen/google/protobuf/any.ts";
import { BadRequest, ErrorInfo, RetryInfo } from "../proto/gen/google/rpc/error_details.ts";
import { Status } from "../proto/gen/google/rpc/status.ts";
import { RoleRequiredError } from "./access/role-required.ts";
import { InvalidFieldsError } from "./invalid-fields.ts";
import type { Log } from "./log.ts";

/** Domain of our ErrorInfo: with it, `reason` is unique in the world. */
export const ERROR_DOMAIN = "tidegate.dev";
/** Metadata key of the encoded google.rpc.Status. */
export const STATUS_DETAILS_KEY = "grpc-status-details-bin";

/** What a failed call is answered with; grpc-js takes it for the callback of a handler. */
export type StatusAnswer = Pick<ServiceError, "code" | "details" | "metadata">;

/**
 * The answer to a failed call.
 *
 * @param method of the call, for the log.
 */
export function answerError(log: Log, method: string, reason: unknown): StatusAnswer {
  const error = CodedError.from(reason);
  if (error.code !== "INTERNAL") return encodeStatus(error);
  const errorId = randomUUID();
  log.error({ err: reason, method, errorId }, "a call failed by a fault of ours");
  const hidden = new CodedError("INTERNAL", `a fault on our side; the log has it as ${errorId}`);
  return encodeStatus(hidden);
}

/** Encodes an expected error. */
export function encodeStatus(error: CodedError): StatusAnswer {
  const code = grpcCode(error);
  const body: Status = { code, message: error.detail, details: errorDetails(error) };
  const metadata = new Metadata();
  metadata.set(STATUS_DETAILS_KEY, Buffer.from(Status.encode(body).finish()));
  return { code, details: error.detail, metadata };
}

/** The gRPC status number of an error, by its row of proto/errors.json. */
function grpcCode(error: CodedError): status {
  const name = error.info.grpc;
  if (!(name in status)) throw new Error(`${error.code} has the gRPC status ${name}: no such`);
  return status[name as keyof typeof status];
}

function errorDetails(error: CodedError): Any[] {
  const { fix, retry, retryAfterMs } = error.info;
  const metadata: Record<string, string> = { fix };
  if (error instanceof RoleRequiredError) metadata.required_role = error.requiredRole;
  const info: ErrorInfo = { reason: error.code, domain: ERROR_DOMAIN, metadata };
  const details = [any("ErrorInfo", ErrorInfo.encode(info).finish())];
  if (error instanceof InvalidFieldsError) {
    const fieldViolations = error.violations.map(({ field, description }) => ({
      field,
      description,
      reason: error.code,
      localizedMessage: undefined,
    }));
    details.push(any("BadRequest", BadRequest.encode({ fieldViolations }).finish()));
  }
  if (retry === "same") {
    const retryDelay = {
      seconds: BigInt(Math.floor(retryAfterMs / 1000)),
      nanos: (retryAfterMs % 1000) * 1_000_000,
    };
    details.push(any("RetryInfo", RetryInfo.encode({ retryDelay }).finish()));
  }
  return details;
}

function any(type: string, value: Uint8Array): Any {
  return { typeUrl: `type.googleapis.com/google.rpc.${type}`, value: Buffer.from(value) };
}
