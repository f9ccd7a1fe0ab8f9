/**
 * Tidy rules about data files: the error table, pinned versions, and the native files' hashes.
 *
 * Pure: each rule takes what was read and returns sentences, one for each thing that is wrong.
 */

/** One row of proto/errors.json. */
export interface ErrorRow {
  readonly close?: number;
  readonly retry: string;
  readonly retryAfterMs?: number;
  readonly grpc: string;
  readonly where: string;
  readonly means: string;
  readonly fix: string;
}

/** Judges the error table: names, unique close codes, and ranges that agree with `retry`. */
export function checkErrorTable(errors: Readonly<Record<string, ErrorRow>>): string[] {
  const wrong: string[] = [];
  const closes = new Map<number, string>();
  for (const [code, row] of Object.entries(errors)) {
    const say = (what: string) => wrong.push(`${code}: ${what}`);
    if (!/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(code)) say("is not UPPER_SNAKE_CASE");
    if (!["no", "same", "reconnect"].includes(row.retry)) say(`retry ${row.retry} is unknown`);
    if (!grpcStatuses.has(row.grpc)) say(`${row.grpc} is no gRPC status`);
    for (const text of [row.means, row.fix]) {
      if (!/^[A-Z][\s\S]*\.$/.test(text)) say(`"${text}" is not a sentence`);
    }
    if (row.retry === "no" && row.retryAfterMs !== undefined) say("is not retried, yet has a wait");
    if (row.close === undefined) continue;
    const other = closes.get(row.close);
    // 1013 is RFC 6455's "try again later", whatever the reason; ours name one error each.
    if (other !== undefined && row.close !== 1013) say(`close code ${row.close} is ${other}'s`);
    closes.set(row.close, code);
    if (!isCloseCode(row.close)) say(`close code ${row.close} is in no range of ours`);
    if (isReconnectCode(row.close) !== (row.retry === "reconnect")) {
      say(`close code ${row.close} and retry "${row.retry}" contradict each other`);
    }
  }
  return wrong;
}

/** Codes of the table that no source names: an error that cannot happen misleads who reads it. */
export function findUnusedCodes(codes: readonly string[], sources: readonly string[]): string[] {
  return codes.filter((code) => {
    const literal = new RegExp(`["'\`\\[]${code}["'\`\\]]|\\bERRORS\\.${code}\\b`);
    return !sources.some((text) => literal.test(text));
  });
}

/** Codes that sources throw or expect and that are not in the table. */
export function findUnknownCodes(codes: readonly string[], sources: readonly string[]): string[] {
  const known = new Set(codes);
  const used = sources.flatMap((text) => [
    ...text.matchAll(/\b(?:CodedError|TidegateError|coded|codedError)\(\s*["']([A-Z_]+)["']/g),
  ]);
  const unknown = used.map((match) => match[1] ?? "").filter((code) => !known.has(code));
  return [...new Set(unknown)];
}

/** Dependencies of a package.json that are not one exact version. */
export function findLooseVersions(manifest: {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}): string[] {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  return Object.entries(all)
    .filter(([, version]) => !/^(npm:[@\w/.-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name}: ${version}`);
}

/** Run-time dependencies that no product file imports: each is code that somebody has to trust. */
export function findUnusedDependencies(
  manifest: { readonly dependencies?: Readonly<Record<string, string>> },
  sources: readonly string[],
): string[] {
  return Object.keys(manifest.dependencies ?? {}).filter(
    (name) => !sources.some((text) => text.includes(`"${name}"`) || text.includes(`"${name}/`)),
  );
}

/** Packages of a package-lock.json without a hash, or with a registry's address. */
export function checkLockfile(lock: {
  readonly packages: Readonly<
    Record<
      string,
      { readonly link?: boolean; readonly resolved?: string; readonly integrity?: string }
    >
  >;
}): string[] {
  return Object.entries(lock.packages).flatMap(([name, entry]) => {
    if (!name.startsWith("node_modules/") || entry.link === true) return [];
    const wrong = entry.integrity?.startsWith("sha512-") ? [] : [`${name}: no SHA-512`];
    return entry.resolved === undefined ? wrong : [...wrong, `${name}: from ${entry.resolved}`];
  });
}

/** Differences between the pinned and the found hashes of native files, by file name. */
export function compareNatives(
  pinned: Readonly<Record<string, string>>,
  found: Readonly<Record<string, string>>,
): string[] {
  const names = [...new Set([...Object.keys(pinned), ...Object.keys(found)])].sort();
  return names.flatMap((name) => {
    if (pinned[name] === undefined) return [`${name}: is not pinned`];
    if (found[name] === undefined) return [`${name}: is pinned but not there`];
    return pinned[name] === found[name] ? [] : [`${name}: has another hash than pinned`];
  });
}

/** 4000 to 4999 are ours; 1008, 1009 and 1013 are used as RFC 6455 and IANA mean them. */
function isCloseCode(code: number): boolean {
  return (code >= 4000 && code <= 4999) || [1008, 1009, 1013].includes(code);
}

function isReconnectCode(code: number): boolean {
  return (code >= 4000 && code <= 4499) || code === 1013;
}

const grpcStatuses = new Set(
  (
    "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS " +
    "PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE " +
    "UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
  ).split(" "),
);
