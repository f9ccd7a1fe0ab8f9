/**
 * Opens the log on stderr, so that stdout carries what the process was asked for: JSON lines by
 * pino, or text for people, with colours where a terminal shows them.
 *
 * pino is imported only when asked for, since it costs a start.
 */
import type { LogLevel } from "./log-level.ts";
import { ProcessLog, type WriteLine } from "./process-log.ts";
import { formatLine } from "./text-line.ts";

/**
 * Opens it. Counts that are due are written when the process ends.
 *
 * @param format "text" or "json".
 * @param level least that is logged, unless it is changed for a while.
 * @param base fields of every line.
 */
export async function openLog(format: string, level: LogLevel, base: object): Promise<ProcessLog> {
  const write = format === "json" ? await jsonWriter(base) : textWriter(base);
  const log = new ProcessLog(write, level);
  process.prependListener("exit", () => log.flush()); // before pino ends its stream
  return log;
}

async function jsonWriter(base: object): Promise<WriteLine> {
  const { pino, stdSerializers, stdTimeFunctions, destination } = await import("pino");
  const logger = pino(
    {
      level: "debug", // what is written at all was decided before
      base: { ...base },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err },
    },
    destination(2), // synchronous: the last lines of a process that ends are the ones that count
  );
  return (level, fields, text) => logger[level](renamed(fields), text);
}

/** Names that pino itself writes: a second key of the name would hide the first from readers. */
const ownNames = ["level", "time", "msg"];

function renamed(fields: object): object {
  if (!ownNames.some((name) => name in fields)) return fields;
  const named = Object.entries(fields).map(([name, value]) => {
    return [ownNames.includes(name) ? `${name}_value` : name, value] as const;
  });
  return Object.fromEntries(named);
}

function textWriter(base: object): WriteLine {
  const { stderr } = process;
  const hasColour = stderr.isTTY === true && stderr.hasColors();
  return (level, fields, text) => {
    const line = { timeMs: Date.now(), level, text, fields: { ...base, ...fields } };
    stderr.write(formatLine(line, hasColour));
  };
}
