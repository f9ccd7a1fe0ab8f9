/**
 * Flags as the commands print them. Pure.
 */
import type {
  FlagAnswer,
  FlagExposureCount,
  FlagImpact,
} from "../proto/gen/tidegate/control/v1/flag_service.ts";
import type { FlagSet } from "../proto/gen/tidegate/control/v1/flag_set.ts";
import { formatTable } from "./table.ts";

/** A set as printed with `-o json`. */
export interface FlagSetText {
  readonly name: string;
  /** The document itself; its text where it is no JSON. */
  readonly definition: unknown;
  readonly flags: readonly FlagText[];
  readonly version: number;
  readonly etag: string;
  readonly updateTime: string | null;
}

/** A flag of a set. */
export interface FlagText {
  readonly key: string;
  readonly state: string;
  readonly variants: readonly string[];
  readonly defaultVariant: string;
  readonly hasTargeting: boolean;
  readonly isForClients: boolean;
  /** When it changed last. */
  readonly changed: string;
}

/** What the text of a definition has, as far as it is printed. */
interface Definition {
  readonly flags?: Readonly<
    Record<
      string,
      {
        readonly state?: string;
        readonly variants?: object;
        readonly defaultVariant?: string | null;
        readonly targeting?: object;
        readonly metadata?: { readonly client?: boolean };
      }
    >
  >;
  readonly metadata?: { readonly client?: boolean };
}

/** A set for programs. */
export function flagSetText(set: FlagSet): FlagSetText {
  const definition = JSON.parse(set.definition) as Definition;
  const versions = new Map(set.flagVersions.map(({ key, version }) => [key, Number(version)]));
  const flags = Object.entries(definition.flags ?? {}).map(([key, flag]): FlagText => {
    const { state = "", variants = {}, defaultVariant, targeting = {}, metadata = {} } = flag;
    return {
      ...{ key, state, variants: Object.keys(variants), defaultVariant: defaultVariant ?? "-" },
      hasTargeting: Object.keys(targeting).length > 0,
      isForClients: metadata.client ?? definition.metadata?.client ?? false,
      changed: new Date(versions.get(key) ?? 0).toISOString(),
    };
  });
  return {
    ...{ name: set.name.slice("flagSets/".length), definition, flags, etag: set.etag },
    ...{ version: Number(set.version), updateTime: set.updateTime?.toISOString() ?? null },
  };
}

/** `flags list`. */
export function flagSetTable(sets: readonly FlagSetText[]): string {
  const rows = sets.map(({ name, flags, updateTime, etag }) => {
    const clientCount = flags.filter(({ isForClients }) => isForClients).length;
    return [name, String(flags.length), String(clientCount), updateTime ?? "-", etag];
  });
  return formatTable([["SET", "FLAGS", "FOR CLIENTS", "CHANGED", "ETAG"], ...rows]);
}

/** `flags get`. */
export function flagTable({ flags }: FlagSetText): string {
  const rows = flags.map((flag) => [
    ...[flag.key, flag.state.toLowerCase(), flag.variants.join(","), flag.defaultVariant],
    ...[flag.hasTargeting ? "yes" : "-", flag.isForClients ? "yes" : "-", flag.changed],
  ]);
  const head = ["FLAG", "STATE", "VARIANTS", "DEFAULT", "TARGETING", "FOR CLIENTS", "CHANGED"];
  return formatTable([head, ...rows]);
}

/** What a client would get, for programs. */
export function answerText(answer: FlagAnswer) {
  const { key, flagSet, valueJson, variant, reason, error, steps } = answer;
  return {
    ...{ key, set: flagSet.slice("flagSets/".length), variant, reason, error, steps },
    value: valueJson === "" ? null : (JSON.parse(valueJson) as unknown),
    isForClients: answer.forClients,
    version: Number(answer.version),
  };
}

/** What a client would get, as {@link answerText} gives it. */
export type AnswerText = ReturnType<typeof answerText>;

/** `flags test`. */
export function answerTable(answers: readonly AnswerText[]): string {
  const rows = answers.map(({ key, value, variant, reason, isForClients, set }) => [
    ...[key, value === null ? "-" : JSON.stringify(value), variant || "-", reason],
    ...[isForClients ? "yes" : "-", set],
  ]);
  const table = formatTable([
    ["FLAG", "VALUE", "VARIANT", "REASON", "FOR CLIENTS", "SET"],
    ...rows,
  ]);
  const why = answers.flatMap(({ key, steps, error }) => {
    const lines = error === "" ? steps : [...steps, error];
    return lines.map((line) => `${key}: ${line}\n`);
  });
  return why.length === 0 ? table : `${table}\n${why.join("")}`;
}

/** What a change would concern, for programs. */
export function impactText({ connectionCount, affectedCount, ...build }: FlagImpact) {
  return {
    ...{ client: build.clientName, version: build.clientVersion, platform: build.clientPlatform },
    ...{ connections: Number(connectionCount), affected: Number(affectedCount) },
  };
}

/** `flags apply --dry-run`. */
export function impactTable(impact: readonly ReturnType<typeof impactText>[]): string {
  if (impact.length === 0) return "no client is connected\n";
  const rows = impact.map(({ client, version, platform, connections, affected }) => [
    ...[client || "-", version || "-", platform || "-", String(connections), String(affected)],
  ]);
  return formatTable([["CLIENT", "VERSION", "PLATFORM", "CONNECTIONS", "AFFECTED"], ...rows]);
}

/** Counts of variants, for programs. */
export function exposureText({ key, variant, count }: FlagExposureCount) {
  return { key, variant, count: Number(count) };
}

/** `flags exposures`. */
export function exposureTable(counts: readonly ReturnType<typeof exposureText>[]): string {
  const rows = counts.map(({ key, variant, count }) => [key, variant, String(count)]);
  return formatTable([["FLAG", "VARIANT", "COUNT"], ...rows]);
}
