/**
 * The process's log: text lines for people, or JSON lines by pino.
 *
 * pino is imported only when asked for, since it costs a start; the text form is what a terminal
 * shows.
 */
const levels = ["debug", "info", "warn", "error"] as const;

/** Least level that is logged. */
export type LogLevel = (typeof levels)[number];

/** A logger of fields and a sentence; the parts' own Log types are parts of it. */
export type ProcessLog = Record<LogLevel, (fields: object, text: string) => void>;

/**
 * Opens the log on stderr, so that stdout carries what the process was asked for.
 *
 * @param format "text" or "json".
 * @param base fields of every line.
 * @returns the log in an object, since a logger itself must not be awaited.
 */
export async function openLog(
  format: string,
  level: LogLevel,
  base: object,
): Promise<{ log: ProcessLog }> {
  if (format !== "json") return { log: textLog(level, base) };
  const { pino, stdSerializers, destination } = await import("pino");
  const serializers = { error: stdSerializers.err };
  return { log: pino({ level, base: { ...base }, serializers }, destination(2)) };
}

function textLog(least: LogLevel, base: object): ProcessLog {
  const write = (level: LogLevel) => (fields: object, text: string) => {
    if (levels.indexOf(level) < levels.indexOf(least)) return;
    const shown = Object.entries({ ...base, ...fields }).map(
      ([name, value]) => ` ${name}=${describe(value)}`,
    );
    const time = new Date().toISOString().slice(11, 23);
    process.stderr.write(`${time} ${level.padEnd(5)} ${text}${shown.join("")}\n`);
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

function describe(value: unknown): string {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
}
