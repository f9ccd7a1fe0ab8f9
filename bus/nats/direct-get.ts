/**
 * Direct Get: reading stored messages from any replica, with the proof of how fresh the answer is.
 *
 * By hand rather than by the client library, which drops the end frame's Nats-UpTo-Sequence: the
 * replica's own last sequence, without which R6 can not be kept (8 of 900 answers under load were
 * stale).
 */
import { createInbox, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { Header, lastNumber, timeStampUs } from "./wire.ts";

/** A read without an answer after this is given up, ms. */
export const ANSWER_MS_MAX = 2000;

/** A query of the Direct Get API (NATS ADR-31). */
export interface DirectQuery {
  readonly seq?: number;
  /** In the form of RFC 3339; instead of `seq`. */
  readonly start_time?: string;
  readonly next_by_subj?: string;
  readonly multi_last?: readonly string[];
  readonly up_to_seq?: number;
  readonly batch?: number;
  readonly max_bytes?: number;
}

/** A stored message. */
export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  readonly timeUs: number;
  /** Matching messages after this one, as the replica knows. */
  readonly pendingCount: number;
  readonly data: Uint8Array;
}

/** An answer: messages, and the last sequence of the replica that gave it (-1: it did not say). */
export interface DirectAnswer {
  readonly messages: readonly StoredMessage[];
  readonly upToSeq: number;
}

/**
 * Asks one replica.
 *
 * @param answerMs how long its first word may take.
 * @throws {CodedError} `UNAVAILABLE` when there is no answer or the stream has no replica here.
 */
export function directGet(
  connection: NatsConnection,
  stream: string,
  query: DirectQuery,
  answerMs = ANSWER_MS_MAX,
): Promise<DirectAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<DirectAnswer>();
  const messages: StoredMessage[] = [];
  const inbox = createInbox();
  const end = (upToSeq: number) => {
    subscription.unsubscribe();
    resolve({ messages, upToSeq });
  };
  const fail = (reason: string, cause?: unknown) => {
    subscription.unsubscribe();
    reject(new CodedError("UNAVAILABLE", `reading ${stream}: ${reason}`, cause));
  };
  const subscription = connection.subscribe(inbox, {
    timeout: answerMs,
    callback: (error, message) => {
      if (error) fail(error.message, error);
      else take(message);
    },
  });
  const take = (message: Msg) => {
    const code = message.headers?.code ?? 0;
    if (code === 0) messages.push(toStored(message));
    else if (code === 204) end(lastNumber(message.headers, Header.UP_TO_SEQUENCE));
    else if (code === 404) end(-1);
    else fail(`${code} ${message.headers?.description ?? ""}`);
  };
  connection.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query), { reply: inbox });
  return promise;
}

function toStored(message: Msg): StoredMessage {
  const { headers, data } = message;
  return {
    subject: headers?.last(Header.SUBJECT) ?? "",
    seq: lastNumber(headers, Header.SEQUENCE),
    timeUs: timeStampUs(headers?.last(Header.TIME_STAMP) ?? ""),
    pendingCount: lastNumber(headers, Header.NUM_PENDING),
    data,
  };
}
