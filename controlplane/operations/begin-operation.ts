/**
 * Begins an operation: checks that it may run beside the others, and writes its record. The leader
 * does the rest.
 */
import { randomInt } from "node:crypto";
import type { KeyWrite } from "../../bus/key-value.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { Operation, type SlotMove } from "../../proto/gen/tidegate/control/v1/operation.ts";
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import { operationContext } from "../../telemetry/tracing/operation-context.ts";
import type { Caller } from "../access/caller.ts";
import type { ControlStore } from "../control-store.ts";
import type { OperationFeed } from "./operation-feed.ts";
import {
  countMoves,
  describeOperation,
  describeWork,
  hasEnded,
  newOperation,
  type OperationWork,
  operationId,
  operationKey,
  RUNNING_COUNT_MAX,
} from "./operation-record.ts";

/** An operation that is wanted. */
export interface OperationWish {
  readonly work: OperationWork;
  /** "<package>.<Service>/<Method>" of the call, for the audit log. */
  readonly method: string;
  /** Name of the resource it is about, likewise. */
  readonly resource: string;
  /** What it would move now, shown when it is only checked. */
  readonly moves: readonly SlotMove[];
  /** Further writes of the same commit. */
  readonly along?: readonly KeyWrite[];
  readonly validateOnly: boolean;
  readonly requestId: string;
  /** Of the call: linked to the operation, whose trace is another; null when it is not sampled. */
  readonly span: OpenSpan | null;
}

/** Begins operations for the services that have calls for it. */
export class OperationStarts {
  readonly #store: ControlStore;
  readonly #feed: OperationFeed;

  constructor(store: ControlStore, feed: OperationFeed) {
    this.#store = store;
    this.#feed = feed;
  }

  /** Operations that have not ended, oldest first; perhaps a moment old. */
  running(): Operation[] {
    return this.#feed
      .list()
      .map(({ operation }) => operation)
      .filter((operation) => !hasEnded(operation));
  }

  /**
   * Refuses when one that runs is about the same.
   *
   * @throws {CodedError} `OPERATION_CONFLICT`.
   */
  refuseConflict(isConflict: (work: OperationWork) => boolean): void {
    const found = this.running().find(({ work }) => work !== undefined && isConflict(work));
    if (found?.work === undefined) return;
    const detail = `${describeWork(found.work)} runs already: ${found.name}`;
    throw new CodedError("OPERATION_CONFLICT", detail);
  }

  /**
   * Writes the record, or only shows it.
   *
   * @throws {CodedError} `OPERATION_LIMIT`, `REQUEST_INVALID` for the request id, `UNAVAILABLE`.
   */
  async begin(caller: Caller, wish: OperationWish): Promise<Operation> {
    const { work, method, resource, moves, along, validateOnly, requestId } = wish;
    const { length } = this.running();
    if (length >= RUNNING_COUNT_MAX) {
      throw new CodedError("OPERATION_LIMIT", `${length} operations run, the maximum`);
    }
    const nowMs = Date.now();
    const id = operationId(nowMs, randomInt(2 ** 32));
    const operation = newOperation(id, work, caller.principal, nowMs);
    if (validateOnly) {
      return countMoves({ ...operation, name: "", detail: "only checked", moves: [...moves] });
    }
    const { value, revision } = await this.#store.changeRecord(
      caller,
      {
        key: operationKey(id),
        decide: () => {
          const value = Operation.encode(operation).finish();
          const after = describeOperation(operation);
          return { kind: "write", value, before: undefined, after, along };
        },
        audit: { method, resource },
      },
      { requestId, validateOnly },
    );
    // A repeat of the request gets the operation that the first one began.
    const begun = Operation.decode(value ?? new Uint8Array(0));
    wish.span?.link(operationContext(begun.name)).set("tidegate.operation", begun.name);
    return { ...begun, etag: String(revision) };
  }
}
