/**
 * Questions between processes: request and reply on "tg.ctl.<id>.ask.<kind>".
 *
 * One token more than "tg.ctl.origin.<id>", so that a process of the id "origin" hears only its
 * own. An answer is an AskReply: what the other side threw comes back as it was.
 */
import {
  type Msg,
  type NatsConnection,
  RequestError,
  type Subscription,
  TimeoutError,
} from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { ERRORS, type ErrorCode } from "../../proto/gen/errors.ts";
import { AskReply } from "../../proto/gen/tidegate/bus/v1/ask.ts";
import { Answers, checkQuestion } from "../answers.ts";
import { toCoded } from "./connect.ts";
import { controlSubject } from "./lease-records.ts";

export class Questions {
  /** Handlers of this process. */
  readonly answers = new Answers();
  readonly #connection: NatsConnection;
  readonly #subscription: Subscription;
  /** End the questions that wait for an answer; a closed connection never gives one. */
  readonly #waiting = new Set<(error: CodedError) => void>();

  /** @param id of this process: it holds that lease. */
  constructor(connection: NatsConnection, id: string) {
    this.#connection = connection;
    const prefix = askSubject(id, "");
    this.#subscription = connection.subscribe(`${prefix}*`, {
      callback: (error, message) => {
        if (error === null) void this.#answer(message, message.subject.slice(prefix.length));
      },
    });
  }

  /** As Bus.ask says. */
  async ask(
    process: string,
    kind: string,
    body: Uint8Array,
    timeoutMs: number,
  ): Promise<Uint8Array> {
    checkQuestion(kind, body, timeoutMs);
    if (!/^[a-z0-9-]{1,32}$/.test(process)) throw nobody(process);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    this.#waiting.add(reject);
    try {
      const options = { timeout: timeoutMs };
      const asked = this.#connection.request(askSubject(process, kind), body, options);
      const { data } = await Promise.race([asked, ended]);
      return decodeReply(data);
    } catch (error) {
      if (error instanceof RequestError && error.isNoResponders()) throw nobody(process);
      const cause = error instanceof Error ? error.cause : null;
      if (!(error instanceof TimeoutError || cause instanceof TimeoutError)) throw toCoded(error);
      const detail = `${process} did not answer within ${timeoutMs} ms`;
      throw new CodedError("UNAVAILABLE", detail, error);
    } finally {
      this.#waiting.delete(reject);
    }
  }

  /** Nothing more is answered; who waits for an answer gets `error`. */
  close(error: CodedError): void {
    this.#subscription.unsubscribe();
    for (const end of this.#waiting) end(error);
  }

  async #answer(message: Msg, kind: string): Promise<void> {
    const reply: AskReply = { body: Buffer.alloc(0), errorCode: "", errorDetail: "" };
    try {
      reply.body = Buffer.from(await this.answers.answer(kind, message.data));
    } catch (reason) {
      const { code, detail } = CodedError.from(reason);
      Object.assign(reply, { errorCode: code, errorDetail: detail });
    }
    // A connection that has ended meanwhile: the asker is told by its own timeout.
    if (!this.#connection.isClosed()) message.respond(AskReply.encode(reply).finish());
  }
}

function askSubject(id: string, kind: string): string {
  return `${controlSubject(id)}.ask.${kind}`;
}

function nobody(process: string): CodedError {
  return new CodedError("NOT_FOUND", `no process of the id "${process.slice(0, 32)}" is there`);
}

function decodeReply(data: Uint8Array): Uint8Array {
  let reply: AskReply;
  try {
    reply = AskReply.decode(data);
  } catch (error) {
    throw new CodedError("INTERNAL", "the answer does not decode", error);
  }
  const { body, errorCode, errorDetail } = reply;
  if (errorCode === "") return body;
  const code = Object.hasOwn(ERRORS, errorCode) ? (errorCode as ErrorCode) : "INTERNAL";
  throw new CodedError(code, errorDetail);
}
