/**
 * History pages: requests that outlive connections, since asking twice does no harm.
 */
import type { CancelTimer } from "./clock.ts";
import { TidegateError } from "./error.ts";
import type { RoomInvalid, RoomMessage } from "./event.ts";
import { frameError } from "./frame.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { History, HistoryPage as WirePage } from "./gen/tidegate/client/v1/history.ts";
import type { Link } from "./link.ts";
import { checkNumber } from "./options.ts";
import { type Position, parsePosition } from "./position.ts";

/** A page not answered within this fails as `UNAVAILABLE`, milliseconds. */
const HISTORY_TIMEOUT_MS = 20_000;
/** Pages asked for at once; beyond it `QUEUE_FULL`. Each may be 500 full frames of answer. */
const HISTORY_PENDING_MAX = 64;

/** Which page; neither `before` nor `after`: the newest. */
export interface HistoryOptions {
  /** The newest messages older than this. */
  readonly before?: Position;
  /** The oldest messages newer than this. */
  readonly after?: Position;
  /** Messages wanted, 1 to 500; the gateway may give fewer. Default 50. */
  readonly limit?: number;
}

/** One page of a durable room, oldest first. */
export interface HistoryPage<T> {
  readonly messages: readonly (RoomMessage<T> | RoomInvalid)[];
  /** Whether more is kept in the asked direction. */
  readonly hasMore: boolean;
  /** False when asked `after` a position that is not in the history: some may be missing. */
  readonly isContinuous: boolean;
}

interface Pending {
  readonly request: Omit<History, "requestId">;
  readonly resolve: (page: WirePage) => void;
  readonly reject: (error: TidegateError) => void;
  isSent: boolean;
  failedCount: number;
  readonly cancel: CancelTimer;
  cancelRetry: CancelTimer;
}

/** The pages asked for and not yet answered. */
export class HistoryRequests {
  readonly #link: Link;
  readonly #pending = new Set<Pending>();
  readonly #byRequest = new Map<number, Pending>();

  constructor(link: Link) {
    this.#link = link;
  }

  get isWaiting(): boolean {
    return this.#byRequest.size > 0;
  }

  /** Asks for a page. */
  ask(room: string, options: HistoryOptions): Promise<WirePage> {
    return new Promise((resolve, reject) => {
      const request = historyRequest(room, options);
      if (this.#pending.size >= HISTORY_PENDING_MAX) {
        throw new TidegateError("QUEUE_FULL", `${HISTORY_PENDING_MAX} pages are being asked for`);
      }
      const pending: Pending = {
        request,
        resolve,
        reject,
        isSent: false,
        failedCount: 0,
        cancel: this.#link.clock.setTimer(HISTORY_TIMEOUT_MS, () => {
          const text = `no page of ${room} within ${HISTORY_TIMEOUT_MS} ms`;
          this.#end(pending).reject(new TidegateError("UNAVAILABLE", text));
        }),
        cancelRetry: () => {},
      };
      this.#pending.add(pending);
      this.#send(pending);
    });
  }

  onWelcome(): void {
    for (const pending of this.#pending) this.#send(pending);
  }

  onBreak(): void {
    this.#byRequest.clear();
    for (const pending of this.#pending) pending.isSent = false;
  }

  onPage(page: WirePage): void {
    const pending = this.#settle(page.requestId);
    if (pending !== undefined) this.#end(pending).resolve(page);
  }

  /** Returns whether the error was the answer to a page. */
  onError(frame: ErrorFrame): boolean {
    const pending = this.#settle(frame.requestId);
    if (pending === undefined) return false;
    if (frame.retryable) {
      const delayMs = this.#link.backoffMs(pending.failedCount, frame.retryAfterMs);
      pending.failedCount += 1;
      pending.cancelRetry = this.#link.clock.setTimer(delayMs, () => this.#send(pending));
    } else this.#end(pending).reject(frameError(frame));
    return true;
  }

  close(error: TidegateError): void {
    for (const pending of this.#pending) this.#end(pending).reject(error);
  }

  #end(pending: Pending): Pending {
    pending.cancel();
    pending.cancelRetry();
    this.#pending.delete(pending);
    return pending;
  }

  #send(pending: Pending): void {
    if (!this.#link.isOpen || pending.isSent || !this.#pending.has(pending)) return;
    const requestId = this.#link.nextRequestId();
    pending.isSent = true;
    this.#byRequest.set(requestId, pending);
    this.#link.send({ $case: "history", value: { requestId, ...pending.request } });
  }

  #settle(requestId: number): Pending | undefined {
    const pending = this.#byRequest.get(requestId);
    this.#byRequest.delete(requestId);
    if (pending !== undefined) pending.isSent = false;
    return pending;
  }
}

function historyRequest(room: string, options: HistoryOptions): Omit<History, "requestId"> {
  const { before, after, limit = 50 } = options;
  if (before !== undefined && after !== undefined) {
    throw new TidegateError("REQUEST_INVALID", "before and after exclude each other");
  }
  checkNumber("REQUEST_INVALID", "limit", limit, 1, 500);
  return {
    target: { $case: "room", value: room },
    cursor:
      before !== undefined
        ? { $case: "before", value: parsePosition(before) }
        : after !== undefined
          ? { $case: "after", value: parsePosition(after) }
          : undefined,
    limit,
  };
}
