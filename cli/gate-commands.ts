/**
 * `tidegatectl gates …`: version gates, read, changed and tried through the control plane.
 */

import { gateName, isGateId } from "../proto/gates/names.ts";
import type { VersionGate } from "../proto/gen/tidegate/control/v1/version_gate.ts";
import {
  type TestVersionGatesResponse,
  type UpdateVersionGateResponse,
  type VersionGateImpact,
  VersionGateServiceClient,
  type VersionGateVerdict,
} from "../proto/gen/tidegate/control/v1/version_gate_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { Failure, usageError } from "./failure.ts";
import {
  actionWord,
  type GateText,
  gateTable,
  gateText,
  impactJson,
  impactText,
  parseGateFile,
} from "./gate-text.ts";
import { formatOutput } from "./output.ts";
import { pages, present } from "./pages.ts";
import { readInput } from "./read-input.ts";
import { formatTable } from "./table.ts";
import { tenantParent } from "./tenant.ts";

const dryRunSuffix = " (dry run, nothing was written)";

/** `gates list`. */
export async function listGates(
  context: Context,
  target: Target,
  format: OutputFormat,
): Promise<void> {
  const gates = await withClient(target.control, VersionGateServiceClient, (client) =>
    pages(async (pageToken) => {
      const page = await call(client, client.listVersionGates, { pageSize: 0, pageToken });
      return { items: page.versionGates, next: page.nextPageToken };
    }),
  );
  if (format === "table") return print(context, gateTable(gates));
  return print(
    context,
    formatOutput(format, gates.map(gateText), () => ""),
  );
}

/** `gates get`. */
export async function getGate(
  context: Context,
  target: Target,
  id: string,
  format: OutputFormat,
): Promise<void> {
  const gate = await withClient(target.control, VersionGateServiceClient, (client) =>
    readGate(client, resourceName(id)),
  );
  if (gate === null) throw missing(id);
  return print(context, formatOutput(format, gateText(gate), gateDetails));
}

function gateDetails(text: GateText): string {
  const shown = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return formatTable(Object.entries(text).map(([field, value]) => [field, shown(value)]));
}

/** What `gates apply` did, or would do, to one gate. */
interface Applied {
  readonly gate: string;
  readonly action: "created" | "changed" | "unchanged";
  /** Null unless it was a dry run. */
  readonly impact: VersionGateImpact | null;
  readonly versionGate: GateText;
}

/** `gates apply`: all of the file or, when a part of it is refused, nothing. */
export async function applyGates(
  context: Context,
  target: Target,
  options: { file: string; isDryRun: boolean; format: OutputFormat },
): Promise<void> {
  const gates = parseGateFile(await readInput(context, options.file));
  const applied = await withClient(target.control, VersionGateServiceClient, async (client) => {
    const checked: Applied[] = [];
    // A check asks every gateway whom it would concern, so one gate alone is written at once.
    const checks = options.isDryRun || gates.length > 1;
    for (const gate of checks ? gates : []) checked.push(await applyGate(client, gate, true));
    if (options.isDryRun) return checked;
    const done: Applied[] = [];
    for (const gate of gates) done.push(await applyGate(client, gate, false));
    return done;
  });
  const text = (all: readonly Applied[]) =>
    all
      .map(({ gate, action, impact }) => {
        const suffix = options.isDryRun ? dryRunSuffix : "";
        return `gate ${gate} ${action}${suffix}\n${impact === null ? "" : impactText(impact)}`;
      })
      .join("");
  if (options.format === "table") return print(context, text(applied));
  const shown = applied.map(({ impact, ...each }) => ({
    ...each,
    ...(impact === null ? {} : { impact: impactJson(impact) }),
  }));
  return print(
    context,
    formatOutput(options.format, shown, () => ""),
  );
}

async function applyGate(
  client: VersionGateServiceClient,
  gate: VersionGate,
  validateOnly: boolean,
): Promise<Applied> {
  const before = await readGate(client, gate.name);
  // With the etag of what was just read, nobody's change in between is overwritten unseen.
  const etag = before === null ? "" : gate.etag || before.etag;
  const { versionGate, impact }: UpdateVersionGateResponse = await call(
    client,
    client.updateVersionGate,
    {
      ...{ versionGate: { ...gate, etag }, updateMask: ["*"], allowMissing: true, validateOnly },
      requestId: validateOnly ? "" : crypto.randomUUID(),
    },
  );
  const next = gateText(present(versionGate));
  const isSame = before !== null && isSameGate(gateText(before), next);
  const action = before === null ? "created" : isSame ? "unchanged" : "changed";
  return { gate: next.name, action, impact: impact ?? null, versionGate: next };
}

function isSameGate(left: GateText, right: GateText): boolean {
  const bare = ({ etag, updateTime, ...fields }: GateText) => JSON.stringify(fields);
  return bare(left) === bare(right);
}

/** `gates delete`. */
export async function deleteGate(
  context: Context,
  target: Target,
  id: string,
  options: { etag: string; isDryRun: boolean },
): Promise<void> {
  const { etag, isDryRun: validateOnly } = options;
  const { impact } = await withClient(target.control, VersionGateServiceClient, (client) =>
    call(client, client.deleteVersionGate, {
      ...{ name: resourceName(id), etag, validateOnly },
      requestId: validateOnly ? "" : crypto.randomUUID(),
    }),
  );
  const suffix = validateOnly ? dryRunSuffix : "";
  const whom = impact === undefined ? "" : impactText(impact);
  await print(context, `gate ${id} deleted${suffix}\n${whom}`);
}

/** A client, as `gates test` is told of it. */
export interface TriedClient {
  /** "name@version". */
  readonly build: string;
  readonly platform: string;
  readonly user: string;
  readonly room: string;
  /** File with a gate to try; empty for none. */
  readonly file: string;
}

/** `gates test`. */
export async function testGates(
  context: Context,
  target: Target,
  tried: TriedClient,
  format: OutputFormat,
): Promise<void> {
  const tenant = tenantParent(target);
  const at = tried.build.indexOf("@");
  if (at < 0) {
    const fix = "Write name@version, such as game@2.0.1.";
    throw usageError(`${JSON.stringify(tried.build)} is no build`, fix);
  }
  const [gate, ...more] =
    tried.file === "" ? [] : parseGateFile(await readInput(context, tried.file));
  if (more.length > 0) throw usageError("the file holds several gates", "Try one at a time.");
  const { platform, user, room } = tried;
  const answer = await withClient(target.control, VersionGateServiceClient, (client) =>
    call(client, client.testVersionGates, {
      ...{ tenant, platform, user, room, versionGate: gate },
      client: tried.build.slice(0, at),
      version: tried.build.slice(at + 1),
    }),
  );
  await print(
    context,
    formatOutput(format, answerJson(answer), () => answerText(answer)),
  );
}

function answerText(answer: TestVersionGatesResponse): string {
  const { connection, room, roomName, setGate, gateways, findings } = answer;
  const lines = [`connection: ${verdictText(connection)}\n`];
  if (room !== undefined) lines.push(`room: ${verdictText(room)}\n`);
  if (roomName !== "") {
    lines.push(`joins: ${roomName}${setGate === "" ? "" : ` (a set of ${short(setGate)})`}\n`);
  }
  if (gateways.length > 0) lines.push(`gateways: only ${gateways.join(" and ")}\n`);
  const rows = findings.map(({ gate, concerns, decides, reason }) => [
    ...[short(gate), decides ? "decides" : concerns ? "yes" : "no", reason],
  ]);
  if (rows.length > 0) lines.push("\n", formatTable([["GATE", "CONCERNS", "WHY"], ...rows]));
  return lines.join("");
}

function verdictText(verdict: VersionGateVerdict | undefined): string {
  if (verdict === undefined) return "-";
  const { action, gate, required, message, downloadUrl } = verdict;
  const parts = [actionWord(action)];
  if (gate !== "") parts.push(`by ${short(gate)}`);
  if (required !== "") parts.push(`wanted: ${required}`);
  if (message !== "") parts.push(message);
  if (downloadUrl !== "") parts.push(downloadUrl);
  return parts.join("; ");
}

function answerJson({ connection, room, ...rest }: TestVersionGatesResponse): object {
  const inWords = (verdict: VersionGateVerdict | undefined) =>
    verdict === undefined ? null : { ...verdict, action: actionWord(verdict.action) };
  return { connection: inWords(connection), room: inWords(room), ...rest };
}

/** The gate, or null when there is none. */
async function readGate(client: VersionGateServiceClient, name: string) {
  try {
    const { versionGate } = await call(client, client.getVersionGate, { name });
    return versionGate ?? null;
  } catch (reason) {
    if (reason instanceof Failure && reason.code === "NOT_FOUND") return null;
    throw reason;
  }
}

function resourceName(id: string): string {
  if (isGateId(id)) return gateName(id);
  throw usageError(`${JSON.stringify(id)} is no gate's name`, "It is [a-z][a-z0-9-]{0,31}.");
}

function missing(id: string): Failure {
  const fix = "tidegatectl gates list shows those there are.";
  return new Failure("NOT_FOUND", `there is no gate "${id}"`, { fix });
}

function short(name: string): string {
  return name.replace(/^gates\//, "");
}
