/**
 * The main thread's end of the store's worker: starts it, matches answers to requests, and turns
 * its end, expected or not, into errors.
 */
import { Worker } from "node:worker_threads";
import { CodedError, type ErrorCode } from "../../proto/coded-error.ts";
import type { EmbeddedBusOptions } from "./options.ts";
import type {
  AnswerValue,
  BatchMessage,
  BucketChange,
  FromWorker,
  ReadRequest,
  ToWorker,
  WorkerStart,
  WriteRequest,
} from "./worker-protocol.ts";

/** Requests that wait for an answer at most; more fail with `UNAVAILABLE` at once. */
export const REQUEST_COUNT_MAX = 65_536;

/**
 * Reads that the worker has at a time; the rest waits here. An answer holds up to PAGE_BYTES_MAX,
 * so this bounds what piles up in the port when the loop is busy.
 */
const readsSentMax = 64;

/** What the link reports, in the order of the worker's messages. */
export interface WorkerEvents {
  onAppended(buffers: readonly ArrayBuffer[], fence: number, detail: string): void;
  onChanges(changes: readonly BucketChange[]): void;
  /** The store can not go on; `isGone` when the worker itself has ended. */
  onBroken(error: CodedError, isGone: boolean): void;
}

interface PendingRequest {
  readonly isWrite: boolean;
  readonly message: ToWorker;
  resolve(value: AnswerValue): void;
  reject(error: CodedError): void;
  /** Called in place of resolve, before the next message is handled. */
  onAnswer: ((value: AnswerValue) => void) | null;
}

export class WorkerLink {
  readonly #worker: Worker;
  readonly #requests = new Map<number, PendingRequest>();
  #lastId = 0;
  /** Reads the worker has, and ids of those that wait, oldest first. */
  #readsSent = 0;
  readonly #readsHeld: number[] = [];
  #events: WorkerEvents | null = null;
  /** Why requests are refused, once they are. */
  #end: CodedError | null = null;
  #isClosing = false;
  readonly #ended: Promise<void>;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#ended = new Promise((resolve) => worker.once("exit", () => resolve()));
    worker.on("message", (message: FromWorker) => this.#take(message));
    worker.on("error", (reason) => this.#fail(`the store's thread failed: ${reason}`, reason));
    worker.on("exit", () => this.#fail("the store's thread ended", null));
  }

  /**
   * Starts the worker and opens the store.
   *
   * @throws {CodedError} `STORE_LOCKED`, `STORE_CORRUPT`, `UNAVAILABLE`.
   */
  static async open(options: EmbeddedBusOptions): Promise<WorkerLink> {
    const workerData: WorkerStart = { options };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData });
    await new Promise<void>((resolve, reject) => {
      worker.once("error", (reason) => {
        reject(new CodedError("UNAVAILABLE", `the store's thread failed: ${reason}`, reason));
      });
      worker.once("exit", (code) => {
        reject(new CodedError("UNAVAILABLE", `the store's thread ended with code ${code}`));
      });
      worker.once("message", (message: FromWorker) => {
        if (message.kind === "refused") reject(new CodedError(message.code, message.detail));
        else resolve();
      });
    });
    worker.removeAllListeners("error");
    worker.removeAllListeners("exit");
    return new WorkerLink(worker);
  }

  /** Where events go; set once, before the first append. */
  set events(events: WorkerEvents) {
    this.#events = events;
  }

  /** Sends batches of appends; the worker owns their buffers until they come back. */
  sendAppends(batches: readonly BatchMessage[], transfer: ArrayBuffer[], fence: number): void {
    this.#send({ kind: "append", batches, fence }, transfer);
  }

  /**
   * Sends a request.
   *
   * @param onAnswer is called with the answer in the order of the worker's messages, which a
   *   promise's continuation is not.
   * @throws {CodedError} what the worker answered, or `UNAVAILABLE`; `OUTCOME_UNKNOWN` when it
   *   was a write and the worker died over it.
   */
  request(
    kind: "read",
    request: ReadRequest,
    onAnswer?: (value: AnswerValue) => void,
  ): Promise<AnswerValue>;
  request(kind: "write", request: WriteRequest): Promise<AnswerValue>;
  request(
    kind: "read" | "write",
    request: ReadRequest | WriteRequest,
    onAnswer: ((value: AnswerValue) => void) | null = null,
  ): Promise<AnswerValue> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      if (this.#isClosing) return reject(new CodedError("UNAVAILABLE", "the bus is closed"));
      if (this.#requests.size >= REQUEST_COUNT_MAX) {
        const detail = `${REQUEST_COUNT_MAX} requests wait for the store`;
        return reject(new CodedError("UNAVAILABLE", detail));
      }
      this.#lastId += 1;
      const id = this.#lastId;
      const message = { kind, id, request } as ToWorker;
      const isWrite = kind === "write";
      this.#requests.set(id, { isWrite, message, resolve, reject, onAnswer });
      if (isWrite) this.#send(message, []);
      else if (this.#readsSent < readsSentMax) this.#sendRead(message);
      else this.#readsHeld.push(id);
    });
  }

  /** Ends the store after all that was sent, and the worker. Resolves when the thread is gone. */
  close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#send({ kind: "close" }, []);
    }
    return this.#ended;
  }

  /** Kills the thread, as a crash would; for tests. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #send(message: ToWorker, transfer: ArrayBuffer[]): void {
    this.#worker.postMessage(message, transfer);
  }

  #take(message: FromWorker): void {
    switch (message.kind) {
      case "appended":
        this.#events?.onAppended(message.buffers, message.fence, message.detail);
        return;
      case "changes":
        this.#events?.onChanges(message.changes);
        return;
      case "answer":
        this.#answer(message.id, message.value);
        return;
      case "failure":
        this.#refuse(message.id, message.code, message.detail);
        return;
      case "broken":
        this.#events?.onBroken(new CodedError(message.code, message.detail), false);
        return;
      case "opened":
      case "refused":
      case "closed":
        return;
      default:
        throw message satisfies never;
    }
  }

  #sendRead(message: ToWorker): void {
    this.#readsSent += 1;
    this.#send(message, []);
  }

  #takeRequest(id: number): PendingRequest | undefined {
    const pending = this.#requests.get(id);
    this.#requests.delete(id);
    if (pending === undefined || pending.isWrite) return pending;
    this.#readsSent -= 1;
    const next = this.#requests.get(this.#readsHeld.shift() ?? 0);
    if (next !== undefined) this.#sendRead(next.message);
    return pending;
  }

  #answer(id: number, value: AnswerValue): void {
    const pending = this.#takeRequest(id);
    pending?.onAnswer?.(value);
    pending?.resolve(value);
  }

  #refuse(id: number, code: ErrorCode, detail: string): void {
    const pending = this.#takeRequest(id);
    pending?.reject(new CodedError(code, detail));
  }

  #fail(detail: string, cause: unknown): void {
    if (this.#end !== null) return;
    this.#end = new CodedError(
      "UNAVAILABLE",
      this.#isClosing ? "the bus is closed" : detail,
      cause,
    );
    const unknown = new CodedError("OUTCOME_UNKNOWN", `it may be written: ${detail}`, cause);
    for (const { isWrite, reject } of this.#requests.values()) {
      reject(isWrite ? unknown : this.#end);
    }
    this.#requests.clear();
    this.#events?.onBroken(this.#end, true);
  }
}
