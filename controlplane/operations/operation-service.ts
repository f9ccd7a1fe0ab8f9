/**
 * OperationService: reads and steers operations; the leader acts on what is written here.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { type Operation, OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import type {
  AbortOperationRequest,
  AbortOperationResponse,
  GetOperationRequest,
  GetOperationResponse,
  ListOperationsRequest,
  ListOperationsResponse,
  PauseOperationRequest,
  PauseOperationResponse,
  ResumeOperationRequest,
  ResumeOperationResponse,
  WatchOperationRequest,
} from "../../proto/gen/tidegate/control/v1/operation_service.ts";
import type { Caller } from "../access/caller.ts";
import { enumName } from "../audit/enum-name.ts";
import type { ControlStore } from "../control-store.ts";
import { operationName, parseOperationName } from "../fleet-names.ts";
import { InvalidFieldsError } from "../invalid-fields.ts";
import { takePage } from "../take-page.ts";
import { decideSteering, Steering } from "./decide-steering.ts";
import type { OperationFeed } from "./operation-feed.ts";
import {
  decodeOperation,
  encodeOperation,
  hasEnded,
  operationKey,
  type StoredOperation,
} from "./operation-record.ts";

/** Operations of a page when the request says 0, and at most. */
const sizes = { sizeDefault: 50, sizeMax: 100 };
/** States of one filter: more than there are. */
const stateCountMax = 8;

/** What steering calls have in common. */
interface SteeringRequest {
  readonly name: string;
  readonly etag: string;
  readonly validateOnly: boolean;
  readonly requestId: string;
}

/** The calls of OperationService; each throws a CodedError to refuse. */
export class OperationCalls {
  readonly #store: ControlStore;
  readonly #feed: OperationFeed;

  constructor(store: ControlStore, feed: OperationFeed) {
    this.#store = store;
    this.#feed = feed;
  }

  async get(request: GetOperationRequest): Promise<GetOperationResponse> {
    return { operation: (await this.#read(parseOperationName(request.name, "name"))).operation };
  }

  async list(request: ListOperationsRequest): Promise<ListOperationsResponse> {
    const { pageSize, pageToken, states } = request;
    checkStates(states);
    const newestFirst = (await this.#store.keys.list("operation."))
      .map(({ key, value, revision }) => decodeOperation(key, value, revision))
      .filter(({ operation }) => states.length === 0 || states.includes(operation.state))
      .reverse();
    const scope = ["ListOperations", [...states].sort().join()];
    // Places rise, while ids fall.
    const wish = { pageSize, pageToken, ...sizes, scope };
    const { items, nextPageToken } = takePage(newestFirst, ({ id }) => descending(id), wish);
    const operations = items.map(({ operation }) => ({ ...operation, moves: [] }));
    return { operations, nextPageToken };
  }

  /**
   * Sends it now and after each change, until it has ended.
   *
   * @param send its promise resolves when the next one may be sent.
   * @param signal ends the watch.
   */
  async watch(
    request: WatchOperationRequest,
    send: (operation: Operation) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const id = parseOperationName(request.name, "name");
    let latest = await this.#read(id);
    let { promise: changed, resolve: wake } = Promise.withResolvers<void>();
    const unfollow = this.#feed.follow((of, stored) => {
      if (of !== id || stored === null || stored.revision <= latest.revision) return;
      latest = stored;
      wake();
    });
    const onAbort = () => wake();
    signal.addEventListener("abort", onAbort);
    try {
      while (!signal.aborted) {
        const { operation } = latest;
        ({ promise: changed, resolve: wake } = Promise.withResolvers<void>());
        await send(operation);
        if (hasEnded(operation)) return;
        if (latest.operation === operation) await changed;
      }
    } finally {
      unfollow();
      signal.removeEventListener("abort", onAbort);
    }
  }

  async pause(request: PauseOperationRequest, caller: Caller): Promise<PauseOperationResponse> {
    return { operation: await this.#steer("PauseOperation", Steering.pause, request, caller) };
  }

  async resume(request: ResumeOperationRequest, caller: Caller): Promise<ResumeOperationResponse> {
    return { operation: await this.#steer("ResumeOperation", Steering.resume, request, caller) };
  }

  async abort(request: AbortOperationRequest, caller: Caller): Promise<AbortOperationResponse> {
    return { operation: await this.#steer("AbortOperation", Steering.abort, request, caller) };
  }

  async #steer(
    method: string,
    steering: Steering,
    request: SteeringRequest,
    caller: Caller,
  ): Promise<Operation> {
    const { name, etag, validateOnly, requestId } = request;
    const id = parseOperationName(name, "name");
    const key = operationKey(id);
    const { value, revision } = await this.#store.changeRecord(
      caller,
      {
        key,
        decide: (stored) => {
          if (stored.value === null) throw missing(id);
          const { operation } = decodeOperation(key, stored.value, stored.revision);
          const steered = decideSteering(operation, steering, Date.now());
          if (steered === operation) return { kind: "none" };
          const [before, after] = [operation, steered].map(({ state }) => {
            return { state: enumName(OperationState, state) };
          });
          return { kind: "write", value: encodeOperation(steered), before, after };
        },
        audit: { method: `tidegate.control.v1.OperationService/${method}`, resource: name },
      },
      { etag, validateOnly, requestId },
    );
    if (value === null) throw missing(id);
    return decodeOperation(key, value, revision).operation;
  }

  async #read(id: string): Promise<StoredOperation> {
    const key = operationKey(id);
    const entry = await this.#store.keys.get(key);
    if (entry === null) throw missing(id);
    return decodeOperation(key, entry.value, entry.revision);
  }
}

function missing(id: string): CodedError {
  return new CodedError("NOT_FOUND", `there is no ${operationName(id)}, or no more`);
}

/** A text that sorts the other way round: ids are of [0-9a-z-]. */
function descending(id: string): string {
  return [...id].map((char) => String.fromCharCode(0x9f - char.charCodeAt(0))).join("");
}

function checkStates(states: readonly OperationState[]): void {
  const known: readonly number[] = Object.values(OperationState).filter((state) => state > 0);
  const unknown = states.find((state) => !known.includes(state));
  const description =
    unknown !== undefined
      ? `${unknown} is not a state of an operation`
      : `has ${states.length} states, at most ${stateCountMax}`;
  if (unknown === undefined && states.length <= stateCountMax) return;
  throw new InvalidFieldsError([{ field: "states", description }]);
}
