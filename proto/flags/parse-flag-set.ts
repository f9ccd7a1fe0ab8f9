/**
 * A flagd definition: what it says, or what is wrong with it, with the path of each fault.
 *
 * Pure. The control plane refuses what this refuses; a gateway that gets such a record anyway keeps
 * the last good one. Stricter than flagd, which lets much pass and gives clients errors later.
 */
import { checkRule, checkSteps } from "./check-targeting.ts";
import { DEPTH_MAX, Evaluators } from "./evaluators.ts";
import { at, type Fault, Faults, isObject, type Json, type JsonObject, shown } from "./faults.ts";
import { DEFINITION_BYTES_MAX, FLAG_COUNT_MAX, SYSTEM_FLAG_PREFIX } from "./flag-record.ts";
import { SYSTEM_FLAG_KINDS } from "./system-flag-names.ts";

/** Kinds of values, as OpenFeature has them. */
export type FlagKind = "boolean" | "string" | "number" | "object";

/** One flag, with evaluators in place. */
export interface ParsedFlag {
  readonly key: string;
  readonly kind: FlagKind;
  /** Its metadata, or that of its set, says `client: true`. */
  readonly isForClients: boolean;
  /** As flagd has it, without references. */
  readonly definition: JsonObject;
  /** Tells whether two definitions are the same. */
  readonly text: string;
}

/** A definition that has no fault. */
export interface ParsedFlagSet {
  /** By key. */
  readonly flags: ReadonlyMap<string, ParsedFlag>;
  /** The document with evaluators that no longer use each other: every flagd library reads it. */
  readonly document: JsonObject;
}

/** Either a set or its faults. */
export type ParseOutcome =
  | { readonly set: ParsedFlagSet; readonly faults: readonly [] }
  | { readonly set: null; readonly faults: readonly Fault[] };

const keyPattern = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}$/;
const rootFields = ["$schema", "$evaluators", "flags", "metadata"];
const flagFields = ["state", "variants", "defaultVariant", "targeting", "metadata"];

/** Reads a definition. */
export function parseFlagSet(text: string): ParseOutcome {
  const faults = new Faults();
  const document = parseDocument(text, faults);
  if (document === null) return { set: null, faults: faults.all };
  refuseUnknown(document, "", rootFields, faults);
  const metadata = readMetadata(document.metadata, "metadata", faults);
  const evaluators = readEvaluators(document.$evaluators, faults);
  const flags = readFlags(document.flags, metadata, evaluators, faults);
  if (faults.all.length > 0) return { set: null, faults: faults.all };
  const placed = Object.fromEntries(evaluators.all);
  const isPlain = document.$evaluators === undefined;
  const portable = isPlain ? document : { ...document, $evaluators: placed };
  return { set: { flags, document: portable }, faults: [] };
}

function parseDocument(text: string, faults: Faults): JsonObject | null {
  const bytes = Buffer.byteLength(text);
  if (bytes > DEFINITION_BYTES_MAX) {
    faults.add("", `has ${bytes} bytes, at most ${DEFINITION_BYTES_MAX}`);
    return null;
  }
  let document: Json;
  try {
    document = JSON.parse(text) as Json;
  } catch (error) {
    faults.add("", `is no JSON: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
  if (!isObject(document)) {
    faults.add("", 'is no object; write {"flags": {…}}');
    return null;
  }
  const fault = findUnusable(document, "", 0);
  if (fault === null) return document;
  faults.add(fault.path, fault.what);
  return null;
}

/** What no walk may meet: too deep a place, or a key that reaches into a prototype. */
function findUnusable(value: Json, path: string, depth: number): Fault | null {
  if (typeof value !== "object" || value === null) return null;
  if (depth > DEPTH_MAX) return { path, what: `is deeper than ${DEPTH_MAX} levels` };
  if (Object.hasOwn(value, "__proto__")) return { path, what: 'has a key "__proto__"' };
  for (const [key, each] of Object.entries(value)) {
    const fault = findUnusable(each, at(path, Array.isArray(value) ? Number(key) : key), depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}

function refuseUnknown(
  object: JsonObject,
  path: string,
  known: readonly string[],
  faults: Faults,
): void {
  for (const key of Object.keys(object)) {
    if (!known.includes(key))
      faults.add(at(path, key), `is not known; known are ${known.join(", ")}`);
  }
}

function readEvaluators(given: Json | undefined, faults: Faults): Evaluators {
  if (given !== undefined && !isObject(given)) {
    faults.add("$evaluators", "is no object of names and rules");
    return new Evaluators({}, faults);
  }
  for (const [name, rule] of Object.entries(given ?? {})) {
    checkRule(rule, at("$evaluators", name), null, faults);
  }
  return new Evaluators(given ?? {}, faults);
}

function readFlags(
  given: Json | undefined,
  metadata: JsonObject,
  evaluators: Evaluators,
  faults: Faults,
): ReadonlyMap<string, ParsedFlag> {
  const flags = new Map<string, ParsedFlag>();
  if (!isObject(given)) {
    faults.add("flags", "is missing, or no object of keys and flags");
    return flags;
  }
  const keys = Object.keys(given);
  if (keys.length > FLAG_COUNT_MAX) {
    faults.add("flags", `has ${keys.length} flags, at most ${FLAG_COUNT_MAX}`);
    return flags;
  }
  for (const [key, flag] of Object.entries(given)) {
    const path = at("flags", key);
    if (!keyPattern.test(key)) {
      faults.add(path, "has a key that is not [A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}");
    } else if (!isObject(flag)) faults.add(path, "is no object");
    else flags.set(key, readFlag(key, flag, metadata, evaluators, faults));
  }
  return flags;
}

function readFlag(
  key: string,
  flag: JsonObject,
  setMetadata: JsonObject,
  evaluators: Evaluators,
  faults: Faults,
): ParsedFlag {
  const path = at("flags", key);
  refuseUnknown(flag, path, flagFields, faults);
  const { state, defaultVariant = null } = flag;
  if (state !== "ENABLED" && state !== "DISABLED") {
    faults.add(at(path, "state"), `is ${shown(state ?? null)}, not "ENABLED" or "DISABLED"`);
  }
  const kind = readVariants(flag.variants, at(path, "variants"), faults);
  const names = isObject(flag.variants) ? Object.keys(flag.variants) : [];
  const isDefaultKnown = typeof defaultVariant === "string" && names.includes(defaultVariant);
  if (defaultVariant !== null && !isDefaultKnown) {
    const what = `${shown(defaultVariant)} is no variant of it; there are ${names.join(", ")}`;
    faults.add(at(path, "defaultVariant"), what);
  }
  const metadata = { ...setMetadata, ...readMetadata(flag.metadata, at(path, "metadata"), faults) };
  const targeting = readTargeting(flag.targeting, path, names, evaluators, faults);
  const isForClients = metadata.client === true;
  checkSystemFlag(key, kind, isForClients, faults);
  const definition = { state: state ?? null, variants: flag.variants ?? {}, defaultVariant };
  const whole = { ...definition, ...(targeting === null ? {} : { targeting }), metadata };
  return { key, kind, isForClients, definition: whole, text: JSON.stringify(whole) };
}

function readVariants(variants: Json | undefined, path: string, faults: Faults): FlagKind {
  if (!isObject(variants) || Object.keys(variants).length === 0) {
    faults.add(path, 'is no object of names and values, such as {"on": true, "off": false}');
    return "boolean";
  }
  const kinds = new Set<FlagKind>();
  for (const [name, value] of Object.entries(variants)) {
    if (value === null || Array.isArray(value)) {
      faults.add(at(path, name), `is ${shown(value)}: no boolean, text, number or object`);
    } else kinds.add(typeof value as FlagKind);
  }
  if (kinds.size > 1) faults.add(path, `are of several kinds: ${[...kinds].join(", ")}`);
  return [...kinds][0] ?? "boolean";
}

function readTargeting(
  targeting: Json | undefined,
  path: string,
  variants: readonly string[],
  evaluators: Evaluators,
  faults: Faults,
): Json {
  const place = at(path, "targeting");
  if (targeting === undefined || targeting === null) return null;
  if (!isObject(targeting)) {
    faults.add(place, "is no object");
    return null;
  }
  if (Object.keys(targeting).length === 0) return null;
  checkRule(targeting, place, variants, faults);
  const placed = evaluators.place(targeting, place);
  checkSteps(placed, place, faults);
  return placed;
}

function readMetadata(metadata: Json | undefined, path: string, faults: Faults): JsonObject {
  if (metadata === undefined) return {};
  if (!isObject(metadata)) {
    faults.add(path, "is no object");
    return {};
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value === "object") faults.add(at(path, key), "is no boolean, text or number");
    if (key === "client" && typeof value !== "boolean") {
      faults.add(at(path, key), `is ${shown(value)}, not true or false`);
    }
  }
  return metadata;
}

/** Keys of the system are not free: a typo would switch nothing, and say nothing. */
function checkSystemFlag(key: string, kind: FlagKind, isForClients: boolean, faults: Faults): void {
  if (!key.startsWith(SYSTEM_FLAG_PREFIX)) return;
  const path = at("flags", key);
  const wanted = SYSTEM_FLAG_KINDS.get(key);
  if (wanted === undefined) {
    const known = [...SYSTEM_FLAG_KINDS.keys()].join(", ");
    faults.add(path, `is not one of the system's own flags: ${known}`);
  } else if (wanted !== kind) faults.add(at(path, "variants"), `must be of kind ${wanted}`);
  if (isForClients) faults.add(at(path, "metadata"), "is for clients; it is the system's own");
}
