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
import { anchorSubject, timeStampUs } from "./wire.ts";

/** A call without an answer after this has an unknown outcome, ms. */
const ANSWER_MS_MAX = 2000;

/** JetStream: there is no such stream. */
const missingStreamCode = 10059;

/** What JetStream answered instead of doing what it was asked. */
class ApiRefusal extends Error {
  readonly code: number;

  constructor(code: number, description: string) {
    super(description);
    this.code = code;
  }
}

/** What a stream's leader says of it. */
export interface StreamFacts {
  readonly config: StreamConfig;
  readonly messageCount: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: number;
  /** When the oldest message was stored, ms since 1970-01-01 UTC; of an empty stream, nothing. */
  readonly firstMs: number;
  /** When the stream was made, likewise. */
  readonly createdMs: number;
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
    readonly first_ts?: string;
    readonly last_seq: number;
    readonly bytes: number;
    readonly subjects?: Readonly<Record<string, number>>;
  };
  /** Of the list of subjects, which comes in pages. */
  readonly total?: number;
  readonly ts?: string;
  readonly created?: string;
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

/** Makes a stream. As updateStream. */
export async function createStream(
  connection: NatsConnection,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<StreamFacts> {
  const subject = `$JS.API.STREAM.CREATE.${config.name}`;
  return toFacts(config.name, await call(connection, subject, config));
}

/** Removes a stream and what it stores; nothing happens when there is none. As updateStream. */
export async function deleteStream(connection: NatsConnection, stream: string): Promise<void> {
  try {
    await call(connection, `$JS.API.STREAM.DELETE.${stream}`, {});
  } catch (error) {
    if (!isStreamMissing(error)) throw error;
  }
}

/**
 * Rewrites a shard's anchor, and so keeps it younger than retention (R6).
 *
 * @returns its sequence. @throws {CodedError} `UNAVAILABLE`.
 */
export function writeAnchor(connection: NatsConnection, shard: number): Promise<number> {
  return storeMarker(connection, anchorSubject(shard), "anchor");
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

/** When the newest message of a room was stored, microseconds since 1970-01-01 UTC; 0 for none. */
export async function newestUs(connection: NatsConnection, stream: string): Promise<number> {
  const subject = `$JS.API.STREAM.MSG.GET.${stream}`;
  const answer = await request(connection, subject, JSON.stringify({ last_by_subj: "tg.in.>" }));
  if (answer.message !== undefined) return timeStampUs(answer.message.time);
  if (answer.error?.code === 404) return 0;
  throw refusal(subject, answer);
}

/** A subject's newest message as the leader has it; null when there is none, or no stream. */
export async function newestOf(
  connection: NatsConnection,
  stream: string,
  subject: string,
): Promise<{ seq: number; timeUs: number } | null> {
  const api = `$JS.API.STREAM.MSG.GET.${stream}`;
  const answer = await request(connection, api, JSON.stringify({ last_by_subj: subject }));
  const { message, error } = answer;
  if (message !== undefined) return { seq: message.seq, timeUs: timeStampUs(message.time) };
  if (error?.code === 404) return null; // also a missing stream
  throw refusal(api, answer);
}

/** Messages of each room's subject, by the room's token; nothing for a stream that is not there. */
export async function subjectCounts(
  connection: NatsConnection,
  stream: string,
  visit: (token: string, messageCount: number) => void,
): Promise<void> {
  const subject = `$JS.API.STREAM.INFO.${stream}`;
  for (let offset = 0; ; ) {
    const answer = await request(
      connection,
      subject,
      JSON.stringify({ subjects_filter: "tg.in.>", offset }),
    );
    if (answer.error?.err_code === missingStreamCode) return;
    if (answer.error !== undefined) throw refusal(subject, answer);
    const rows = Object.entries(answer.state?.subjects ?? {});
    for (const [each, count] of rows) visit(each.slice(each.lastIndexOf(".") + 1), count);
    offset += rows.length;
    if (rows.length === 0 || offset >= (answer.total ?? 0)) return;
  }
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

function toFacts(stream: string, answer: ApiAnswer): StreamFacts {
  const { config, state, cluster, ts, created } = answer;
  if (config === undefined || state === undefined) {
    throw new CodedError("UNAVAILABLE", `stream ${stream} gave an answer without its state`);
  }
  return {
    config,
    messageCount: state.messages,
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    bytes: state.bytes,
    firstMs: Date.parse(state.first_ts ?? ""),
    createdMs: Date.parse(created ?? ""),
    leader: cluster?.leader ?? "",
    serverMs: Date.parse(ts ?? ""),
  };
}

/** Whether a call failed because the stream does not exist. */
export function isStreamMissing(error: unknown): boolean {
  return refusalCode(error) === missingStreamCode;
}

/** JetStream's code of why it refused a call; 0 when it did not answer. */
export function refusalCode(error: unknown): number {
  if (!(error instanceof CodedError)) return 0;
  return error.cause instanceof ApiRefusal ? error.cause.code : 0;
}

function refusal(subject: string, { error }: ApiAnswer): CodedError {
  const detail = `${subject}: ${error?.err_code} ${error?.description}`;
  const cause = new ApiRefusal(error?.err_code ?? 0, error?.description ?? "");
  return new CodedError("UNAVAILABLE", detail, cause);
}
