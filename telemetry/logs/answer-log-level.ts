/**
 * What operators ask this process's log through the bus: its level, and another one for a while.
 */
import { LogLevelAnswer, LogLevelQuestion } from "../../proto/gen/tidegate/bus/v1/log_question.ts";
import { LogLevel as Said } from "../../proto/gen/tidegate/control/v1/log.ts";
import type { LogLevel } from "./log-level.ts";
import type { ProcessLog } from "./process-log.ts";

const said = {
  debug: Said.DEBUG,
  info: Said.INFO,
  warn: Said.WARN,
  error: Said.ERROR,
} as const satisfies Record<LogLevel, Said>;

/** Where the questions come from: a Bus. */
export interface QuestionSource {
  answer(kind: string, handle: (body: Uint8Array) => Uint8Array): unknown;
}

/** Answers as long as the bus is open. */
export function answerLogLevel(bus: QuestionSource, log: ProcessLog): void {
  bus.answer("log-level", (body) => {
    const { change } = LogLevelQuestion.decode(body);
    if (change !== undefined) {
      const names = Object.keys(said) as LogLevel[];
      const wanted = names.find((name) => said[name] === change.level) ?? null;
      log.setLevel(wanted, change.forMs);
    }
    const { level, usual, leftMs } = log.level;
    return LogLevelAnswer.encode({ level: said[level], usual: said[usual], leftMs }).finish();
  });
}
