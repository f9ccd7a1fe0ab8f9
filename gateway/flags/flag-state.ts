/**
 * All flags at one moment, ready to be evaluated, and what differs between two moments.
 *
 * Nothing is kept of what each client has: what it was told follows from the state that it was told
 * of, so a change costs an evaluation by both, and a connection one small number.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ClientContext } from "../../proto/client-context.ts";
import type { CompiledFlag, FlagEngine, FlagOutcome } from "../../proto/flags/flag-engine.ts";
import type { MergedFlags } from "../../proto/flags/merge-flag-sets.ts";

/** Flags compiled in one turn of the loop: some 0.3 ms each, so a turn stays below 5 ms. */
export const COMPILE_COUNT = 8;

/** Flags that can be evaluated; never changed once it is made. */
export interface FlagState {
  /** Counts states of this gateway, 1 and so on; 0 is that without any flag. */
  readonly number: number;
  /** By key. */
  readonly flags: ReadonlyMap<string, CompiledFlag>;
  /** Those that clients are told of. */
  readonly forClients: readonly CompiledFlag[];
  /** See MergedFlags. */
  readonly conflicts: readonly string[];
}

/** What clients who know one state have to be told of the next. */
export interface FlagChange {
  readonly from: FlagState;
  readonly to: FlagState;
  /** Flags for clients whose definition is new, with what it was; null for none. */
  readonly changed: readonly (readonly [CompiledFlag, CompiledFlag | null])[];
  /** A flag is not for clients any more: they are told all that are left. */
  readonly isAnyGone: boolean;
}

/** No flags. */
export const NO_FLAGS: FlagState = {
  ...{ number: 0, flags: new Map(), forClients: [], conflicts: [] },
};

/** The state that follows; what has not changed is not compiled again. */
export async function buildState(
  engine: FlagEngine,
  before: FlagState,
  { flags, conflicts }: MergedFlags,
): Promise<FlagState> {
  const compiled = new Map<string, CompiledFlag>();
  let count = 0;
  for (const [key, source] of flags) {
    const old = before.flags.get(key);
    const isSame =
      old !== undefined &&
      old.source.flag.text === source.flag.text &&
      old.source.version === source.version &&
      old.source.isForClients === source.isForClients;
    if (isSame) compiled.set(key, old);
    else {
      compiled.set(key, engine.compile(source));
      count += 1;
      if (count % COMPILE_COUNT === 0) await nextTurn();
    }
  }
  const forClients = [...compiled.values()].filter(({ source }) => source.isForClients);
  return { number: before.number + 1, flags: compiled, forClients, conflicts };
}

/** What is new between two states. */
export function findChange(from: FlagState, to: FlagState): FlagChange {
  const before = new Map(from.forClients.map((flag) => [flag.source.flag.key, flag]));
  const changed: [CompiledFlag, CompiledFlag | null][] = [];
  for (const flag of to.forClients) {
    const { key } = flag.source.flag;
    const old = before.get(key) ?? null;
    before.delete(key);
    if (old !== flag) changed.push([flag, old]);
  }
  return { from, to, changed, isAnyGone: before.size > 0 };
}

/** Whether a change can concern anybody. */
export function concernsClients({ changed, isAnyGone }: FlagChange): boolean {
  return isAnyGone || changed.length > 0;
}

/** What every flag for clients gives a client. */
export function allOutcomes({ forClients }: FlagState, context: ClientContext): FlagOutcome[] {
  return forClients.map((flag) => flag.evaluate(context));
}

/** What is another value for this client than before; null for all, since some are gone. */
export function newOutcomes(
  { changed, isAnyGone }: FlagChange,
  context: ClientContext,
): FlagOutcome[] | null {
  if (isAnyGone) return null;
  const outcomes: FlagOutcome[] = [];
  for (const [flag, old] of changed) {
    const now = flag.evaluate(context);
    if (old === null || !isSame(old.evaluate(context), now)) outcomes.push(now);
  }
  return outcomes;
}

/** The same to a client, but for the version. */
function isSame(left: FlagOutcome, right: FlagOutcome): boolean {
  const isSameValue = left.valueJson === right.valueJson && left.variant === right.variant;
  return isSameValue && left.reason === right.reason;
}
