/**
 * What `npm run example:replay` can be told.
 */
import { parseArgs } from "node:util";

/** Choices of one run. */
export interface ReplayOptions {
  /** The data set's days are pressed into this time. 5 to 600 seconds, default 30. */
  readonly seconds: number;
  /** Print the result as JSON instead of tables. */
  readonly isJson: boolean;
  /**
   * For the test of the checker: forgets one message that this consumer received (its name in lower
   * case), so that the run must fail. Default none.
   */
  readonly forgetOneOf: string;
}

/** Defaults of {@link ReplayOptions}. */
export const REPLAY_DEFAULTS: ReplayOptions = { seconds: 30, isJson: false, forgetOneOf: "" };

/** What `--help` prints. */
export const REPLAY_HELP = `Replays real data into rooms, with cut connections and a kill -9.

Usage: npm run example:replay -- [options]

  --seconds <n>   Time the data set is pressed into, 5 to 600. Default ${REPLAY_DEFAULTS.seconds}.
  --json          Prints the result as JSON.
  --help          Prints this.

Exit code 0: no consumer missed, doubled or reordered a durable message; 1: one did;
2: wrong option.
`;

/**
 * Reads the arguments; null means that `--help` was asked for.
 *
 * @throws {Error} naming the option, its value and its bounds.
 */
export function readReplayOptions(args: readonly string[]): ReplayOptions | null {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      seconds: { type: "string", default: String(REPLAY_DEFAULTS.seconds) },
      json: { type: "boolean", default: false },
      "forget-one-of": { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  const seconds = Number(values.seconds);
  if (!(Number.isFinite(seconds) && seconds >= 5 && seconds <= 600)) {
    throw new Error(`--seconds is ${JSON.stringify(values.seconds)}; it must be from 5 to 600`);
  }
  return { seconds, isJson: values.json, forgetOneOf: values["forget-one-of"] };
}
