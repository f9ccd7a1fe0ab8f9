/**
 * The JetStream calls that a move rests on, one request each.
 *
 * By hand rather than by the client library, whose update asks for INFO first and can time out
 * before it has sent anything; and because a move must know who answered: INFO and the answer to an
 * update come from the stream's leader itself.
 */
import type { StreamConfig } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";

/** A call without an answer after this has an unknown outcome, ms. */
const ANSWER_MS_MAX = 2000;

/** JetStream: there is no such stream. */
const missingStreamCode = 10059;
const missingStream = "the stream does not exist";

/** What a stream's leader says of it. */
export interface StreamFacts {
  readonly config: StreamConfig;
  readonly messageCount: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: number;
  /** Name of the leading server; empty for a single one. */
  readonly leader: string;
  /** The leader's clock as it answered, ms since 1970-01-01 UTC. */
  readonly serverMs: number;
}

interface ApiAnswer {
  readonly config?: StreamConfig;
  readonly state?: {
    readonly messages: number;
    readonly first_seq: number;
    readonly last_seq: number;
    readonly bytes: number;
  };
  readonly ts?: string;
  readonly cluster?: { readonly leader?: string };
  readonly seq?: number;
  readonly message?: { readonly subject: string; readonly seq: number; readonly time: string };
  readonly error?: {
    readonly code: number;
    readonly err_code?: number;
    readonly description: string;
  };
}

/** The stream as its leader knows it. @throws {CodedError} `UNAVAILABLE`. */
export async function streamFacts(
  connection: NatsConnection,
  stream: string,
): Promise<StreamFacts> {
  return toFacts(stream, await call(connection, `$JS.API.STREAM.INFO.${stream}`, {}));
}

/**
 * Replaces a stream's settings, subject list included.
 *
 * @returns the leader's own answer.
 * @throws {CodedError} `UNAVAILABLE`; after a timeout it may have been done, or be done later.
 */
export async function updateStream(
  connection: NatsConnection,
  config: StreamConfig,
): Promise<StreamFacts> {
  const subject = `$JS.API.STREAM.UPDATE.${config.name}`;
  return toFacts(config.name, await call(connection, subject, config));
}

/** Stores a message. @returns its sequence. @throws {CodedError} `UNAVAILABLE`. */
export async function storeMarker(
  connection: NatsConnection,
  subject: string,
  text: string,
): Promise<number> {
  const answer = await request(connection, subject, text);
  if (answer.seq === undefined) throw refusal(subject, answer);
  return answer.seq;
}

/** Subject and time of a stored message as the leader has it; null when it is not there. */
export async function storedAt(
  connection: NatsConnection,
  stream: string,
  seq: number,
): Promise<{ subject: string; time: string } | null> {
  const subject = `$JS.API.STREAM.MSG.GET.${stream}`;
  const answer = await request(connection, subject, JSON.stringify({ seq }));
  if (answer.message !== undefined) return answer.message;
  if (answer.error?.code === 404) return null;
  throw refusal(subject, answer);
}

async function call(
  connection: NatsConnection,
  subject: string,
  body: unknown,
): Promise<ApiAnswer> {
  const answer = await request(connection, subject, JSON.stringify(body));
  if (answer.error !== undefined) throw refusal(subject, answer);
  return answer;
}

async function request(
  connection: NatsConnection,
  subject: string,
  body: string,
): Promise<ApiAnswer> {
  try {
    const message = await connection.request(subject, body, { timeout: ANSWER_MS_MAX });
    return message.json<ApiAnswer>();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CodedError("UNAVAILABLE", `${subject}: ${reason}`, error);
  }
}

function toFacts(stream: string, { config, state, cluster, ts }: ApiAnswer): StreamFacts {
  if (config === undefined || state === undefined) {
    throw new CodedError("UNAVAILABLE", `stream ${stream} gave an answer without its state`);
  }
  return {
    config,
    messageCount: state.messages,
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    bytes: state.bytes,
    leader: cluster?.leader ?? "",
    serverMs: Date.parse(ts ?? ""),
  };
}

/** Whether a call failed because the stream does not exist. */
export function isStreamMissing(error: unknown): boolean {
  return error instanceof CodedError && error.cause === missingStream;
}

function refusal(subject: string, { error }: ApiAnswer): CodedError {
  const cause = error?.err_code === missingStreamCode ? missingStream : undefined;
  const detail = `${subject}: ${error?.err_code} ${error?.description}`;
  return new CodedError("UNAVAILABLE", detail, cause);
}
