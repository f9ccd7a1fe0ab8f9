/**
 * Pub-acks (NATS ADR-1): the common one read from its bytes, everything else as JSON.
 */
/** A pub-ack as far as it matters here. */
export interface PubAck {
  readonly seq: number;
  readonly isDuplicate: boolean;
  readonly error: { readonly code: number; readonly description: string } | null;
}

interface PubAckJson {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

const STREAM_START = Buffer.from('{"stream":"', "latin1");
const SEQ_KEY = Buffer.from('"seq":', "latin1");
const QUOTE = 34;
const COMMA = 44;
const SPACE = 32;
const DIGIT_0 = 48;
const BRACE_CLOSE = 125;

/**
 * The sequence of `{"stream":"…","seq":n}`, exactly that and nothing more; -1 for any other ack.
 *
 * Hot path, once per durable publish. Budget: no allocation.
 */
export function readPlainAck(bytes: Uint8Array): number {
  if (bytes.at(-1) !== BRACE_CLOSE || !isAt(bytes, 0, STREAM_START)) return -1;
  let at = STREAM_START.length;
  while (at < bytes.length && bytes[at] !== QUOTE) at += 1;
  at += 1;
  while (bytes[at] === COMMA || bytes[at] === SPACE) at += 1;
  if (!isAt(bytes, at, SEQ_KEY)) return -1;
  at += SEQ_KEY.length;
  while (bytes[at] === SPACE) at += 1;
  let seq = 0;
  for (; at < bytes.length - 1; at += 1) {
    const digit = (bytes[at] ?? 0) - DIGIT_0;
    if (digit < 0 || digit > 9) return -1;
    seq = seq * 10 + digit;
  }
  return seq > 0 && seq <= Number.MAX_SAFE_INTEGER ? seq : -1;
}

/** Any pub-ack, or null for bytes that are none. */
export function parseAck(bytes: Uint8Array): PubAck | null {
  let ack: PubAckJson | null;
  try {
    ack = JSON.parse(Buffer.from(bytes).toString()) as PubAckJson | null;
  } catch {
    return null; // anyone may write to an inbox; whoever sent it learns nothing
  }
  if (ack === null || typeof ack !== "object") return null;
  const { seq = 0, duplicate = false, error } = ack;
  if (error === undefined) return seq > 0 ? { seq, isDuplicate: duplicate, error: null } : null;
  const { err_code: code = 0, description = "" } = error;
  return { seq: 0, isDuplicate: false, error: { code, description } };
}

function isAt(bytes: Uint8Array, start: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i += 1) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}
