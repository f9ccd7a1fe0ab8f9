/**
 * The connection of pub, sub and history to a gateway, through the SDK.
 */
import { type Client, connect, type TraceHooks } from "../sdk/typescript/index.ts";
import { type Context, note, type Target } from "./context.ts";
import { Failure } from "./failure.ts";

/** A first connection that takes longer fails: a person is waiting. Milliseconds. */
const connectTimeoutMs = 5000;

/**
 * Connects, uses the client, closes it. Breaks are told on stderr, and mended by the SDK.
 *
 * @param atSignal what happens to an open client when the command is to end: `close` it at once, or
 *   let `use` `finish` what it has begun.
 * @throws {TidegateError} what `use` throws, and refusals.
 * @throws {Failure} `CONNECT_FAILED`, `TOKEN_INVALID`.
 */
export async function withGateway<T>(
  context: Context,
  target: Target,
  { version, tracing }: { readonly version: string; readonly tracing?: TraceHooks | undefined },
  atSignal: "close" | "finish",
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const dialling = new AbortController();
  const stopDialling = () => dialling.abort();
  context.signal.addEventListener("abort", stopDialling);
  if (context.signal.aborted) stopDialling();
  const client = await connect(target.url, {
    token: target.token,
    build: { name: "tidegatectl", version },
    ...(tracing === undefined ? {} : { tracing }),
    signal: dialling.signal,
    connectTimeoutMs,
  }).catch((reason) => {
    throw betterFailure(reason, target);
  });
  if (atSignal === "finish") context.signal.removeEventListener("abort", stopDialling);
  const stopTelling = tellBreaks(context, client);
  try {
    return await use(client);
  } finally {
    stopTelling();
    await client.close();
  }
}

function tellBreaks(context: Context, client: Client): () => void {
  let isBroken = false;
  return client.onStatus((status) => {
    if (status.state === "reconnecting" && !isBroken) {
      isBroken = true;
      note(context, `connection lost (${status.error.message}); reconnecting`);
    } else if (status.state === "open" && isBroken) {
      isBroken = false;
      note(context, "connected again");
    }
  });
}

/** The SDK does not know which option to name. */
function betterFailure(reason: unknown, target: Target): unknown {
  if (!(reason instanceof Error && "code" in reason)) return reason;
  if (reason.code === "CONNECT_FAILED") {
    const fix =
      "Start one (npm start), or say where it is: --url ws://host:port/ws or TIDEGATE_URL.";
    const why = /last: (?:\[\w+\] )?(.+)$/.exec(reason.message)?.[1] ?? reason.message;
    const text = `no gateway answers at ${target.url}: ${why}`;
    return new Failure("CONNECT_FAILED", text, { fix, cause: reason });
  }
  if (reason.code === "TOKEN_INVALID") {
    const text =
      target.token === "" ? "the gateway wants a token" : "the gateway refuses the token";
    const fix = "Give one by --token-file, --token or TIDEGATE_TOKEN.";
    return new Failure("TOKEN_INVALID", text, { fix, cause: reason });
  }
  return reason;
}
