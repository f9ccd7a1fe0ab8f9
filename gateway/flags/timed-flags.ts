/**
 * Flags whose rules ask for the time of day: they change for a client with nobody changing them.
 *
 * Only for these is kept what each client was told; where there are none nothing is.
 */
import type { ClientContext } from "../../proto/client-context.ts";
import type { FlagOutcome } from "../../proto/flags/flag-engine.ts";
import type { Connection } from "../connection.ts";
import type { FlagState } from "./flag-state.ts";

/** What clients know of them. */
export class TimedFlags {
  #told = new WeakMap<Connection, Map<string, FlagOutcome>>();

  /** Remembers what a client was told, or, of what it was not told, knows all the same. */
  note({ flags }: FlagState, connection: Connection, outcomes: readonly FlagOutcome[]): void {
    for (const outcome of outcomes) {
      if (flags.get(outcome.key)?.usesTime !== true) continue;
      const told = this.#told.get(connection) ?? new Map<string, FlagOutcome>();
      told.set(outcome.key, outcome);
      this.#told.set(connection, told);
    }
  }

  /** Whether there is any for clients. */
  isAny({ forClients }: FlagState): boolean {
    return forClients.some(({ usesTime }) => usesTime);
  }

  /** What is another value by now than what the client was told. */
  due({ forClients }: FlagState, connection: Connection, context: ClientContext): FlagOutcome[] {
    const told = this.#told.get(connection);
    const due: FlagOutcome[] = [];
    for (const flag of forClients) {
      if (!flag.usesTime) continue;
      const now = flag.evaluate(context);
      const before = told?.get(now.key);
      if (before === undefined || before.valueJson !== now.valueJson) due.push(now);
    }
    return due;
  }
}
