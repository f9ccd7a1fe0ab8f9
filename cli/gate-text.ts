/**
 * Version gates as people write and read them: short words, camelCase fields.
 *
 * Pure. What is printed with `-o json` can be applied again as it is.
 */

import { gateName, isGateId } from "../proto/gates/names.ts";
import { GateAction, VersionGate } from "../proto/gen/tidegate/control/v1/version_gate.ts";
import type { VersionGateImpact } from "../proto/gen/tidegate/control/v1/version_gate_service.ts";
import { usageError } from "./failure.ts";
import { parseEntries } from "./parse-entries.ts";
import { formatTable } from "./table.ts";

/** Words of actions. */
const actionWords: ReadonlyMap<string, GateAction> = new Map<string, GateAction>([
  ["allow", GateAction.ALLOW],
  ["warn", GateAction.WARN],
  ["read-only", GateAction.READ_ONLY],
  ["refuse", GateAction.REFUSE],
]);

/** A gate as printed with `-o json`: the fields that it sets. */
export type GateText = Readonly<Record<string, unknown>> & { readonly name: string };

type Kind = "text" | "number" | "texts" | "action" | "sets" | "ignored";

/** Fields of a file. */
const kinds = {
  tenant: "text",
  client: "text",
  platform: "text",
  roomClasses: "texts",
  required: "text",
  versions: "text",
  action: "action",
  message: "text",
  downloadUrl: "text",
  percent: "number",
  priority: "number",
  sets: "sets",
  gateways: "text",
  etag: "text",
  updateTime: "ignored",
} as const satisfies Readonly<Record<string, Kind>>;

const exampleFix =
  'A gate looks like {"name": "game-2", "client": "game", "required": ">=2.1.0", "action": ' +
  '"refuse"}; gates get -o yaml prints one.';

/** The word of an action; "-" for none. */
export function actionWord(action: GateAction): string {
  for (const [word, value] of actionWords) if (value === action) return word;
  return action === GateAction.UNSPECIFIED ? "-" : String(action);
}

/** A gate in words. */
export function gateText(gate: VersionGate): GateText {
  const said: [string, unknown][] = [["name", gate.name.replace(/^gates\//, "")]];
  for (const field of Object.keys(kinds) as (keyof typeof kinds)[]) {
    const value = gate[field];
    const isEmpty = value === "" || value === undefined || (Array.isArray(value) && !value.length);
    if (isEmpty || (value === 0 && field !== "percent")) continue;
    if (field === "action") said.push([field, actionWord(gate.action)]);
    else if (field === "tenant") said.push([field, gate.tenant.replace(/^tenants\//, "")]);
    else said.push([field, value instanceof Date ? value.toISOString() : value]);
  }
  return Object.fromEntries(said) as GateText;
}

/**
 * Reads a file: one gate, an array of them, or what `gates list -o json|yaml` prints.
 *
 * @throws {Failure} `OPTION_INVALID`, naming gate, field and what is allowed.
 */
export function parseGateFile(text: string): VersionGate[] {
  const gates = parseEntries(text, "gate", exampleFix).map(parseGate);
  for (const [index, { name }] of gates.entries()) {
    if (gates.findIndex((other) => other.name === name) === index) continue;
    throw usageError(`the file has ${name} twice`, "Keep one of them.");
  }
  return gates;
}

function parseGate(entry: unknown, index: number): VersionGate {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    throw usageError(`entry ${index + 1} of the file is not an object`, exampleFix);
  }
  const { name, ...rest } = entry as Record<string, unknown>;
  const id = String(name ?? "").replace(/^gates\//, "");
  if (!isGateId(id)) {
    const fix = "A gate's name is [a-z][a-z0-9-]{0,31}.";
    throw usageError(`entry ${index + 1} of the file: name is ${JSON.stringify(name)}`, fix);
  }
  const gate = { ...VersionGate.decode(new Uint8Array(0)), name: gateName(id) };
  for (const [key, value] of Object.entries(rest)) {
    if (!Object.hasOwn(kinds, key)) {
      const fix = `The fields are name, ${Object.keys(kinds).join(", ")}.`;
      throw usageError(`gate "${id}": there is no field "${key}"`, fix);
    }
    const field = key as keyof typeof kinds;
    Object.assign(gate, readField(id, field, value));
  }
  if (gate.tenant !== "" && !gate.tenant.startsWith("tenants/")) {
    gate.tenant = `tenants/${gate.tenant}`;
  }
  return gate;
}

function readField(id: string, field: keyof typeof kinds, value: unknown): Partial<VersionGate> {
  const refuse = (fix: string) =>
    usageError(`gate "${id}": ${field} is ${JSON.stringify(value)}`, fix);
  const kind = kinds[field];
  switch (kind) {
    case "ignored":
      return {};
    case "text":
      if (typeof value !== "string") throw refuse("Write a text, in quotes.");
      return { [field]: value };
    case "number":
      if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
        throw refuse("Write a whole number, 0 or more.");
      }
      return { [field]: value };
    case "texts":
      if (!isTexts(value)) throw refuse('Write a list of texts, such as ["chat"].');
      return { [field]: value };
    case "action": {
      const action = actionWords.get(String(value));
      if (action === undefined) throw refuse(`It is one of ${[...actionWords.keys()].join(", ")}.`);
      return { action };
    }
    case "sets": {
      const fix = 'Write a list such as [{"name": "green", "versions": ">=2.0.0"}].';
      if (!Array.isArray(value)) throw refuse(fix);
      return {
        sets: value.map((each: unknown) => {
          const { name, versions, ...more } = (each ?? {}) as Record<string, unknown>;
          const isSet = typeof name === "string" && typeof versions === "string";
          if (!isSet || Object.keys(more).length > 0) throw refuse(fix);
          return { name, versions };
        }),
      };
    }
    default:
      return kind satisfies never;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/** Gates as a table. */
export function gateTable(gates: readonly VersionGate[]): string {
  const rows = gates.map((gate) => [
    gate.name.replace(/^gates\//, ""),
    whom(gate),
    gate.versions || (gate.required === "" ? "-" : `not ${gate.required}`),
    actionWord(gate.action),
    gate.percent === undefined ? "-" : `${gate.percent} %`,
    gate.priority === 0 ? "-" : String(gate.priority),
    gate.sets.map(({ name, versions }) => `${name}: ${versions}`).join(", ") || "-",
    gate.gateways || "-",
  ]);
  const head = ["NAME", "CLIENTS", "VERSIONS", "ACTION", "USERS", "PRIORITY", "SETS", "GATEWAYS"];
  return formatTable([head, ...rows]);
}

function whom({ tenant, client, platform, roomClasses }: VersionGate): string {
  const build = [client || "any client", ...(platform === "" ? [] : [`on ${platform}`])];
  const of = tenant === "" ? [] : [`of ${tenant.replace(/^tenants\//, "")}`];
  const rooms = roomClasses.length === 0 ? [] : [`in ${roomClasses.join(", ")}`];
  return [...build, ...of, ...rooms].join(" ");
}

/** Whom a change would concern, for people. */
export function impactText(impact: VersionGateImpact): string {
  const { connectionCount, affectedCount, builds, otherCount, silentGateways } = impact;
  const rows = builds.map((each) => [
    ...[each.client || "-", each.version || "-", each.platform || "-"],
    ...[actionWord(each.before), actionWord(each.after)],
    ...[each.moved ? "another room" : "-", String(each.connectionCount)],
  ]);
  const head = ["CLIENT", "VERSION", "PLATFORM", "NOW", "THEN", "ROOMS", "CONNECTIONS"];
  const table = rows.length === 0 ? "" : formatTable([head, ...rows]);
  const others = otherCount === 0n ? "" : `and ${otherCount} of other builds\n`;
  const silent = silentGateways.map(
    (name) => `${name} did not answer: its clients are not counted\n`,
  );
  const sum = `${affectedCount} of ${connectionCount} open connections would be affected\n`;
  return [sum, table, others, ...silent].join("");
}

/** The same for programs. */
export function impactJson(impact: VersionGateImpact): object {
  return {
    connectionCount: Number(impact.connectionCount),
    affectedCount: Number(impact.affectedCount),
    builds: impact.builds.map(({ before, after, connectionCount, ...build }) => ({
      ...build,
      before: actionWord(before),
      after: actionWord(after),
      connectionCount: Number(connectionCount),
    })),
    otherCount: Number(impact.otherCount),
    silentGateways: impact.silentGateways,
  };
}
