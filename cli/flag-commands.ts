/**
 * `tidegatectl flags …`: sets of feature flags, read and changed through the control plane.
 */
import { flagSetName, isFlagSetId } from "../proto/flags/flag-record.ts";
import {
  FlagServiceClient,
  type TestFlagsRequest,
} from "../proto/gen/tidegate/control/v1/flag_service.ts";
import type { FlagSet } from "../proto/gen/tidegate/control/v1/flag_set.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { usageError } from "./failure.ts";
import {
  answerTable,
  answerText,
  exposureTable,
  exposureText,
  flagSetTable,
  flagSetText,
  flagTable,
  impactTable,
  impactText,
} from "./flag-text.ts";
import { formatOutput } from "./output.ts";
import { pages, present } from "./pages.ts";
import { readInput } from "./read-input.ts";

/** What `flags test` says of the client. */
export interface TestWish {
  readonly keys: readonly string[];
  readonly user: string;
  /** "key=value" each. */
  readonly attributes: readonly string[];
  readonly said: readonly string[];
  /** "name@version". */
  readonly client: string;
  readonly platform: string;
  readonly clientRegion: string;
  readonly gateway: string;
  readonly region: string;
  /** A set that is not stored: its name, and its file. */
  readonly set: string;
  readonly file: string;
}

/** `flags list`. */
export async function listFlagSets(
  context: Context,
  target: Target,
  format: OutputFormat,
): Promise<void> {
  const sets = await withClient(target.control, FlagServiceClient, (client) =>
    pages<FlagSet>(async (pageToken) => {
      const page = await call(client, client.listFlagSets, { pageSize: 0, pageToken });
      return { items: page.flagSets, next: page.nextPageToken };
    }),
  );
  await print(context, formatOutput(format, sets.map(flagSetText), flagSetTable));
}

/** `flags get`. */
export async function getFlagSet(
  context: Context,
  target: Target,
  set: string,
  { format, isDefinition }: { format: OutputFormat; isDefinition: boolean },
): Promise<void> {
  const { flagSet } = await withClient(target.control, FlagServiceClient, (client) =>
    call(client, client.getFlagSet, { name: setName(set) }),
  );
  const found = present(flagSet);
  if (isDefinition) await print(context, `${found.definition.trimEnd()}\n`);
  else await print(context, formatOutput(format, flagSetText(found), flagTable));
}

/** `flags apply`. */
export async function applyFlagSet(
  context: Context,
  target: Target,
  set: string,
  wish: { file: string; etag: string; isDryRun: boolean; format: OutputFormat },
): Promise<void> {
  const { file, etag, isDryRun, format } = wish;
  const flagSet = given(setName(set), await readInput(context, file), etag);
  const answer = await withClient(target.control, FlagServiceClient, (client) =>
    call(client, client.updateFlagSet, {
      ...{ flagSet, updateMask: undefined, allowMissing: true, validateOnly: isDryRun },
      requestId: isDryRun ? "" : crypto.randomUUID(),
    }),
  );
  const stored = flagSetText(present(answer.flagSet));
  const impact = answer.impact.map(impactText);
  const silent = answer.silentGateways;
  const value = isDryRun ? { set: stored, impact, silentGateways: silent } : stored;
  const text = () => {
    if (!isDryRun) return `flags ${set} applied, etag ${stored.etag}\n${flagTable(stored)}`;
    const unheard = silent.map((name) => `${name} did not answer: its clients are not counted\n`);
    return `${impactTable(impact)}${unheard.join("")}nothing was changed (--dry-run)\n`;
  };
  await print(context, formatOutput(format, value, text));
}

/** `flags delete`. */
export async function deleteFlagSet(
  context: Context,
  target: Target,
  set: string,
  { etag, isDryRun }: { etag: string; isDryRun: boolean },
): Promise<void> {
  const name = setName(set);
  await withClient(target.control, FlagServiceClient, (client) =>
    call(client, client.deleteFlagSet, {
      ...{ name, etag, validateOnly: isDryRun },
      requestId: isDryRun ? "" : crypto.randomUUID(),
    }),
  );
  const done = isDryRun ? "would be deleted (--dry-run)" : "deleted";
  await print(context, `flags ${set} ${done}\n`);
}

/** `flags test`. */
export async function testFlags(
  context: Context,
  target: Target,
  wish: TestWish,
  format: OutputFormat,
): Promise<void> {
  if ((wish.file === "") !== (wish.set === "")) {
    throw usageError("--file and --set belong together", "Give both, or neither.");
  }
  const place = wish.client.lastIndexOf("@");
  const attributes = wish.attributes.map(parsePair).map(([key, text]) => [key, parseValue(text)]);
  const definition = wish.file === "" ? "" : await readInput(context, wish.file);
  const request: TestFlagsRequest = {
    ...{ tenant: target.tenant, user: wish.user, keys: [...wish.keys] },
    attributesJson: JSON.stringify(Object.fromEntries(attributes)),
    clientName: place < 0 ? wish.client : wish.client.slice(0, place),
    clientVersion: place < 0 ? "" : wish.client.slice(place + 1),
    ...{ clientPlatform: wish.platform, clientRegion: wish.clientRegion },
    clientAttributes: Object.fromEntries(wish.said.map(parsePair)),
    ...{ gateway: wish.gateway, region: wish.region },
    flagSet: wish.file === "" ? undefined : given(setName(wish.set), definition, ""),
  };
  const { answers } = await withClient(target.control, FlagServiceClient, (client) =>
    call(client, client.testFlags, request),
  );
  await print(context, formatOutput(format, answers.map(answerText), answerTable));
}

/** `flags exposures`. */
export async function listExposures(
  context: Context,
  target: Target,
  key: string,
  format: OutputFormat,
): Promise<void> {
  const silent = new Set<string>();
  const counts = await withClient(target.control, FlagServiceClient, (client) =>
    pages(async (pageToken) => {
      const request = { key, pageSize: 0, pageToken };
      const page = await call(client, client.listFlagExposures, request);
      for (const gateway of page.silentGateways) silent.add(gateway);
      return { items: page.exposures, next: page.nextPageToken };
    }),
  );
  await print(context, formatOutput(format, counts.map(exposureText), exposureTable));
  for (const gateway of silent) {
    context.stderr.write(`${gateway} did not answer: what it counted is not in it\n`);
  }
}

function given(name: string, definition: string, etag: string): FlagSet {
  return { name, definition, etag, updateTime: undefined, version: 0n, flagVersions: [] };
}

function setName(set: string): string {
  if (isFlagSetId(set)) return flagSetName(set);
  throw usageError(`${JSON.stringify(set)} is no name of a set`, "It is [a-z][a-z0-9-]{0,31}.");
}

function parsePair(text: string): [string, string] {
  const place = text.indexOf("=");
  if (place > 0) return [text.slice(0, place), text.slice(place + 1)];
  throw usageError(`${JSON.stringify(text)} is no key=value`, "Write it as plan=gold.");
}

/** As a token has it: true, false and numbers are no texts. */
function parseValue(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
