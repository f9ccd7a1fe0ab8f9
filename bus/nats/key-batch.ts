/**
 * Several keys of a bucket written by one atomic batch publish (nats-server 2.12, allow_atomic).
 *
 * By hand: the client library's batches ignore what a write expects, and hide why the server
 * refused one (measured). The server stores a batch when its last message has come and every
 * expectation holds, in consecutive sequences; else it answers the last message with the reason.
 */
import { randomBytes } from "node:crypto";
import { headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";

/** A batch without an answer after this has an unknown outcome, ms. */
const ANSWER_MS_MAX = 5000;

/** One write, its expectation resolved to the subject's last sequence. */
export interface BatchWrite {
  readonly subject: string;
  readonly value: Uint8Array;
  readonly headers: MsgHdrs;
}

interface BatchAnswer {
  readonly seq?: number;
  readonly count?: number;
  readonly error?: { readonly err_code?: number; readonly description: string };
}

/** The server's refusal of a batch: nothing of it is stored. */
export class BatchRefusal extends CodedError {
  /** JetStream's error code. */
  readonly serverCode: number;

  constructor(serverCode: number, description: string) {
    super("UNAVAILABLE", `NATS refused a batch: ${serverCode} ${description}`);
    this.serverCode = serverCode;
  }
}

/** Headers of one write, to which the batch adds its own. */
export function batchHeaders(pairs: Readonly<Record<string, string>>): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(pairs)) made.set(name, value);
  return made;
}

/**
 * Publishes them all or none.
 *
 * @returns their sequences.
 * @throws {CodedError} a {@link BatchRefusal}; `UNAVAILABLE` without an answer: all or nothing is
 *   stored.
 */
export async function publishBatch(
  connection: NatsConnection,
  writes: readonly BatchWrite[],
): Promise<number[]> {
  const id = randomBytes(12).toString("base64url");
  for (const [i, write] of writes.entries()) {
    write.headers.set("Nats-Batch-Id", id);
    write.headers.set("Nats-Batch-Sequence", String(i + 1));
  }
  const last = writes.at(-1);
  if (last === undefined) return [];
  for (const { subject, value, headers } of writes.slice(0, -1)) {
    connection.publish(subject, value, { headers });
  }
  last.headers.set("Nats-Batch-Commit", "1");
  const wish = { headers: last.headers, timeout: ANSWER_MS_MAX };
  const answer = (await connection.request(last.subject, last.value, wish)).json<BatchAnswer>();
  if (answer.error !== undefined) {
    throw new BatchRefusal(answer.error.err_code ?? 0, answer.error.description);
  }
  const { seq, count } = answer;
  if (seq === undefined || count !== writes.length) {
    throw new CodedError("UNAVAILABLE", `NATS acknowledged ${count} of ${writes.length} writes`);
  }
  return writes.map((_, i) => seq - count + 1 + i);
}
