/**
 * `tidegatectl log-level`: what processes log, and another level for a while.
 */
import { randomUUID } from "node:crypto";
import { LogLevel, type ProcessLogLevel } from "../proto/gen/tidegate/control/v1/log.ts";
import { LogServiceClient } from "../proto/gen/tidegate/control/v1/log_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { Failure } from "./failure.ts";
import { formatSpan } from "./human-units.ts";
import { LEVEL_WORDS, type LevelWord } from "./level-words.ts";
import { formatOutput } from "./output.ts";
import { formatTable } from "./table.ts";

/** Of whom, and how it is shown. */
export interface LogOptions {
  /** Id of a process; empty: all. */
  readonly process: string;
  readonly forMs: number;
  readonly isDryRun: boolean;
  readonly format: OutputFormat;
}

const levels: Readonly<Record<LevelWord, LogLevel>> = {
  debug: LogLevel.DEBUG,
  info: LogLevel.INFO,
  warn: LogLevel.WARN,
  error: LogLevel.ERROR,
  usual: LogLevel.UNSPECIFIED,
};

/** `log-level`, with or without a level. */
export async function logLevel(
  context: Context,
  target: Target,
  word: LevelWord | null,
  { process, forMs, isDryRun, format }: LogOptions,
): Promise<void> {
  const name = `gateways/${process || "-"}`;
  const silent = await withClient(target.control, LogServiceClient, async (client) => {
    const change = { forMs, validateOnly: isDryRun, requestId: randomUUID() };
    const answer =
      word === null
        ? await call(client, client.listLogLevels, { name })
        : await call(client, client.setLogLevel, { name, level: levels[word], ...change });
    await print(context, formatOutput(format, answer.levels.map(levelText), levelTable));
    return answer.silentGateways;
  });
  if (silent.length === 0) return;
  const names = silent.map((each) => each.slice("gateways/".length)).join(", ");
  throw new Failure("UNAVAILABLE", `not known of processes that did not answer: ${names}`, {
    fix: "Repeat the command.",
  });
}

function levelText({ name, level, usualLevel, leftMs }: ProcessLogLevel) {
  const wordOf = (each: LogLevel) =>
    LEVEL_WORDS.find((word) => levels[word] === each) ?? String(each);
  return {
    id: name.slice("gateways/".length),
    ...{ level: wordOf(level), usualLevel: wordOf(usualLevel), leftMs },
  };
}

function levelTable(found: readonly ReturnType<typeof levelText>[]): string {
  const rows = found.map(({ id, level, usualLevel, leftMs }) => [
    ...[id, level, usualLevel, leftMs === 0 ? "-" : formatSpan(leftMs)],
  ]);
  return formatTable([["ID", "LEVEL", "USUAL", "FOR"], ...rows]);
}
