/**
 * `tidegatectl operations`: work that goes on after the command that began it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { type Operation, OperationState } from "../proto/gen/tidegate/control/v1/operation.ts";
import {
  OperationServiceClient,
  type WatchOperationResponse,
} from "../proto/gen/tidegate/control/v1/operation_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, note, print, type Target } from "./context.ts";
import { call, decodeError, withClient } from "./control-client.ts";
import { Failure } from "./failure.ts";
import type { ViewOptions } from "./fleet-commands.ts";
import {
  dryRunText,
  type OperationText,
  operationDetails,
  operationTable,
  operationText,
  progressLine,
} from "./operation-text.ts";
import { formatOutput } from "./output.ts";
import { pages, present } from "./pages.ts";
import { watchView } from "./watch.ts";

/** Operations asked for at once. */
const pageSize = 100;
/** After a watch that a control plane ended, another is asked in this, ms. */
const againMs = 500;
const running = [OperationState.RUNNING, OperationState.PAUSED, OperationState.ABORTING];

/** How a command that begins an operation goes on. */
export interface BeginOptions {
  readonly format: OutputFormat;
  readonly isDryRun: boolean;
  /** Follow it to its end. */
  readonly isWaiting: boolean;
}

/** `operations list`. */
export async function listOperations(
  context: Context,
  target: Target,
  options: { readonly isRunningOnly: boolean },
  view: ViewOptions,
): Promise<void> {
  const states = options.isRunningOnly ? running : [];
  const draw = () =>
    withClient(target.control, OperationServiceClient, async (client) => {
      const all = await pages(async (pageToken) => {
        const page = await call(client, client.listOperations, { pageSize, pageToken, states });
        return { items: page.operations, next: page.nextPageToken };
      });
      const table = (texts: OperationText[]) => operationTable(texts, Date.now());
      return formatOutput(view.format, all.map(operationText), table);
    });
  if (view.isWatched) await watchView(context, draw);
  else await print(context, await draw());
}

/** `operations get`. */
export async function getOperation(
  context: Context,
  target: Target,
  id: string,
  format: OutputFormat,
): Promise<void> {
  const { operation } = await withClient(target.control, OperationServiceClient, (client) =>
    call(client, client.getOperation, { name: operationName(id) }),
  );
  await print(context, formatOutput(format, operationText(present(operation)), operationDetails));
}

/** `operations pause`, `resume` and `abort`. */
export async function steerOperation(
  context: Context,
  target: Target,
  id: string,
  verb: "pause" | "resume" | "abort",
  options: { readonly format: OutputFormat; readonly isDryRun: boolean },
): Promise<void> {
  const request = {
    ...{ name: operationName(id), etag: "" },
    ...{ validateOnly: options.isDryRun, requestId: "" },
  };
  const { operation } = await withClient(target.control, OperationServiceClient, (client) => {
    if (verb === "pause") return call(client, client.pauseOperation, request);
    if (verb === "resume") return call(client, client.resumeOperation, request);
    return call(client, client.abortOperation, request);
  });
  const suffix = options.isDryRun ? " (dry run, nothing was written)" : "";
  const line = (text: OperationText) => `operation ${text.id} is ${text.state}${suffix}\n`;
  await print(context, formatOutput(options.format, operationText(present(operation)), line));
}

/**
 * `operations watch`: its progress until it has ended. On a terminal in place, else a line for each
 * change. A control plane that goes away is waited for.
 *
 * @throws {Failure} its own failure, or `OPERATION_ENDED` when it was aborted.
 */
export async function watchOperation(
  context: Context,
  target: Target,
  id: string,
  format: OutputFormat,
): Promise<void> {
  const name = operationName(id);
  const isInPlace = context.isTerminal && format === "table";
  const tell = async (operation: Operation) => {
    const text = operationText(operation);
    if (format !== "table") {
      const whole =
        format === "json" ? `${JSON.stringify(text)}\n` : formatOutput(format, text, progressLine);
      return print(context, format === "yaml" ? `---\n${whole}` : whole);
    }
    return print(
      context,
      isInPlace ? `\r\u001b[K${progressLine(text)}` : `${progressLine(text)}\n`,
    );
  };
  const ended = await follow(context, target, name, tell);
  if (isInPlace) await print(context, "\n");
  if (ended !== null) refuseOtherEnd(ended);
}

/** What a command that begins an operation prints, and how it goes on. */
export async function showBegun(
  context: Context,
  target: Target,
  operation: Operation | undefined,
  { format, isDryRun, isWaiting }: BeginOptions,
): Promise<void> {
  const text = operationText(present(operation));
  if (isDryRun) return print(context, formatOutput(format, text, dryRunText));
  if (isWaiting) return watchOperation(context, target, text.id, format);
  const line = () =>
    `operation ${text.id} has begun: ${text.work}\n` +
    `  tidegatectl operations watch ${text.id}\n`;
  return print(context, formatOutput(format, text, line));
}

/** What a watch has told last; kept over streams that break. */
interface Told {
  operation: Operation | null;
}

/** Follows an operation to its end; null when a signal ended it. */
async function follow(
  context: Context,
  target: Target,
  name: string,
  tell: (operation: Operation) => Promise<void>,
): Promise<Operation | null> {
  const told: Told = { operation: null };
  let isNoted = false;
  while (!context.signal.aborted) {
    try {
      await withClient(target.control, OperationServiceClient, async (client) => {
        await readStream(context, client, client.watchOperation({ name }), tell, told);
      });
      isNoted = false;
    } catch (reason) {
      const isAway = reason instanceof Failure && reason.code === "UNAVAILABLE";
      if (!isAway || told.operation === null) throw reason;
      if (!isNoted) note(context, `${reason.message}; it is waited for`);
      isNoted = true;
    }
    if (told.operation?.endTime !== undefined) return told.operation;
    await sleep(againMs, undefined, { signal: context.signal }).catch(() => {}); // the end
  }
  return null;
}

/** Tells what a stream brings, until it ends; what was told before is told once. */
async function readStream(
  context: Context,
  client: OperationServiceClient,
  stream: ClientReadableStream<WatchOperationResponse>,
  tell: (operation: Operation) => Promise<void>,
  told: Told,
): Promise<void> {
  const cancel = () => stream.cancel();
  context.signal.addEventListener("abort", cancel);
  try {
    for await (const { operation } of stream as AsyncIterable<WatchOperationResponse>) {
      if (operation === undefined || operation.etag === told.operation?.etag) continue;
      told.operation = operation;
      await tell(operation);
    }
  } catch (reason) {
    if (context.signal.aborted) return;
    throw decodeError(reason as ServiceError, client.getChannel().getTarget());
  } finally {
    context.signal.removeEventListener("abort", cancel);
  }
}

function refuseOtherEnd({ name, state, detail, failure }: Operation): void {
  if (state === OperationState.SUCCEEDED) return;
  if (failure !== undefined) {
    throw new Failure(failure.code, `${name} failed: ${failure.detail}`, { fix: failure.fix });
  }
  const fix = "What was done stays done; begin a new one to go on.";
  throw new Failure("OPERATION_ENDED", `${name} was aborted: ${detail}`, { fix });
}

function operationName(id: string): string {
  return id.startsWith("operations/") ? id : `operations/${id}`;
}
