/**
 * What a given client would get of the flags, evaluated as gateways do.
 */
import { type AttributeValue, clientContext } from "../../proto/client-context.ts";
import { explainFlag } from "../../proto/flags/explain-flag.ts";
import { FlagEngine } from "../../proto/flags/flag-engine.ts";
import { flagSetName } from "../../proto/flags/flag-record.ts";
import type { StoredFlagSet } from "../../proto/flags/merge-flag-sets.ts";
import { type MergedFlag, mergeFlagSets } from "../../proto/flags/merge-flag-sets.ts";
import { parseFlagSet } from "../../proto/flags/parse-flag-set.ts";
import type {
  FlagAnswer,
  TestFlagsRequest,
  TestFlagsResponse,
} from "../../proto/gen/tidegate/control/v1/flag_service.ts";
import { InvalidFieldsError, refuseInvalidFields, shown } from "../invalid-fields.ts";
import { parseFlagSetName, toViolation } from "./decide-flag-set.ts";

/** The library, once it was needed. */
export type LoadEngine = () => Promise<FlagEngine>;

/** Imports the library when first called. */
export function lateEngine(): LoadEngine {
  let engine: Promise<FlagEngine> | null = null;
  return () => {
    engine ??= FlagEngine.load();
    return engine;
  };
}

/**
 * Evaluates.
 *
 * @param stored all sets, by id; that of the request stands in for its own.
 * @throws {InvalidFieldsError} `REQUEST_INVALID`.
 */
export async function testFlags(
  request: TestFlagsRequest,
  stored: ReadonlyMap<string, StoredFlagSet>,
  load: LoadEngine,
): Promise<TestFlagsResponse> {
  const context = clientContext({
    ...{ connectionId: "test", tenant: request.tenant || "default", user: request.user },
    attributes: readAttributes(request.attributesJson),
    profile: {
      build: {
        name: request.clientName,
        version: request.clientVersion,
        platform: request.clientPlatform,
      },
      region: request.clientRegion,
      attributes: Object.entries(request.clientAttributes).map(([key, value]) => ({ key, value })),
    },
    gateway: { id: request.gateway, region: request.region },
  });
  const { flags } = mergeFlagSets(withGiven(stored, request));
  const engine = await load();
  const answers = choose(flags, request.keys).map((source): FlagAnswer => {
    const { key, valueJson, variant, reason, error } = engine.compile(source).evaluate(context);
    return {
      ...{ key, valueJson, variant, reason, error, flagSet: flagSetName(source.set) },
      ...{ version: BigInt(source.version), forClients: source.isForClients },
      steps: request.keys.length > 0 ? explainFlag(engine, source, context) : [],
    };
  });
  return { answers, contextJson: JSON.stringify(context) };
}

function choose(flags: ReadonlyMap<string, MergedFlag>, keys: readonly string[]): MergedFlag[] {
  const unknown = keys.filter((key) => !flags.has(key));
  refuseInvalidFields(
    unknown.map((key) => ({ field: "keys", description: `there is no flag ${shown(key)}` })),
  );
  const wanted = keys.length === 0 ? [...flags.keys()] : keys;
  return [...new Set(wanted)]
    .sort()
    .map((key) => flags.get(key))
    .filter((flag) => flag !== undefined);
}

function withGiven(
  stored: ReadonlyMap<string, StoredFlagSet>,
  { flagSet }: TestFlagsRequest,
): ReadonlyMap<string, StoredFlagSet> {
  if (flagSet === undefined) return stored;
  const id = parseFlagSetName(flagSet.name, "flag_set.name");
  const { set, faults } = parseFlagSet(flagSet.definition);
  if (set === null) throw new InvalidFieldsError(faults.map(toViolation));
  return new Map(stored).set(id, { parsed: set, versions: new Map() });
}

function readAttributes(text: string): Readonly<Record<string, AttributeValue>> {
  if (text === "") return {};
  const refuse = (description: string): never => {
    throw new InvalidFieldsError([{ field: "attributes_json", description }]);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return refuse("is no JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    return refuse("is no object");
  }
  for (const [key, value] of Object.entries(parsed)) {
    if (["string", "number", "boolean"].includes(typeof value)) continue;
    refuse(`${shown(key)} is no text, number or boolean`);
  }
  return parsed as Readonly<Record<string, AttributeValue>>;
}
