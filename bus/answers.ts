/**
 * What a process answers: the handlers by kind of question, and how many are at work.
 *
 * Both buses use it; how a question gets here is theirs.
 */
import assert from "node:assert/strict";
import { CodedError } from "../proto/coded-error.ts";
import { ANSWER_COUNT_MAX, type AnswerHandler, ASK_BYTES_MAX, type Unsubscribe } from "./bus.ts";

/** Longest wait for an answer, ms. */
const ASK_MS_MAX = 60_000;

/**
 * Refuses a question that can not be asked.
 *
 * @throws {CodedError} `REQUEST_INVALID`.
 */
export function checkQuestion(kind: string, body: Uint8Array, timeoutMs: number): void {
  const refuse = (what: string) => {
    throw new CodedError("REQUEST_INVALID", what);
  };
  if (!isKind(kind)) refuse(`kind ${JSON.stringify(kind)} is not [a-z][a-z0-9-]{0,31}`);
  if (body.length > ASK_BYTES_MAX) {
    refuse(`the question has ${body.length} bytes, at most ${ASK_BYTES_MAX}`);
  }
  const isWait = Number.isFinite(timeoutMs) && timeoutMs >= 1 && timeoutMs <= ASK_MS_MAX;
  if (!isWait) refuse(`the wait of ${timeoutMs} ms is not from 1 to ${ASK_MS_MAX}`);
}

export class Answers {
  /** By kind, the newest last. */
  readonly #handlers = new Map<string, AnswerHandler[]>();
  #count = 0;

  /** As Bus.answer says. */
  add(kind: string, handle: AnswerHandler): Unsubscribe {
    assert(isKind(kind), `kind ${kind}`);
    const handlers = this.#handlers.get(kind) ?? [];
    this.#handlers.set(kind, [...handlers, handle]);
    return () => {
      const left = this.#handlers.get(kind) ?? [];
      this.#handlers.set(
        kind,
        left.filter((each) => each !== handle),
      );
    };
  }

  /**
   * Answers one question.
   *
   * @throws {CodedError} always coded, as Bus.ask says.
   */
  async answer(kind: string, body: Uint8Array): Promise<Uint8Array> {
    const handle = this.#handlers.get(kind)?.at(-1);
    if (handle === undefined) {
      throw new CodedError("NOT_FOUND", `the process answers no questions of the kind "${kind}"`);
    }
    if (this.#count >= ANSWER_COUNT_MAX) {
      const detail = `the process answers ${ANSWER_COUNT_MAX} questions now, its limit`;
      throw new CodedError("UNAVAILABLE", detail);
    }
    this.#count += 1;
    try {
      const answer = await handle(body);
      if (answer.length <= ASK_BYTES_MAX) return answer;
      const detail = `the answer has ${answer.length} bytes, at most ${ASK_BYTES_MAX}`;
      throw new CodedError("INTERNAL", detail);
    } catch (error) {
      throw CodedError.from(error);
    } finally {
      this.#count -= 1;
    }
  }
}

function isKind(kind: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}$/.test(kind);
}
