/**
 * Who calls: the interface between the gate of all calls and the ways to prove who one is.
 */
import type { Metadata, ServerUnaryCall } from "@grpc/grpc-js";
import { anonymousCaller, type Caller } from "./caller.ts";

/** What grpc-js knows of a call, unary or streaming. */
export interface CallFacts {
  readonly metadata: Metadata;
  getPeer(): string;
  getAuthContext: ServerUnaryCall<unknown, unknown>["getAuthContext"];
}

/** Finds out who calls. */
export interface Access {
  /** @throws {CodedError} `CREDENTIALS_INVALID`, with a sentence that holds no secret. */
  identify(call: CallFacts): Caller | Promise<Caller>;
}

/** No access control: whoever reaches the port may do everything; for loopback only. */
export const OPEN_ACCESS: Access = {
  identify: (call) => anonymousCaller(call.getPeer()),
};
