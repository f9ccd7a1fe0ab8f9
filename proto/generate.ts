/**
 * Writes everything that is generated: `npm run generate`.
 *
 * buf + ts-proto make the protobuf code (proto/gen, a browser variant in sdk/typescript/gen, and
 * OpenTelemetry's in test/telemetry/gen), grpcio-tools the Python code, and this file turns
 * proto/errors.json into TypeScript, Python and docs/errors.md, and the comments of the control
 * plane's .proto files into docs/api.md. Generated files are committed; .ci/run fails when running
 * this changes one.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { apiReference } from "./api-reference.ts";

/** One row of proto/errors.json. */
interface ErrorRow {
  close?: number;
  retry: "no" | "same" | "reconnect";
  retryAfterMs?: number;
  grpc: string;
  where: string;
  means: string;
  fix: string;
}

const root = path.resolve(import.meta.dirname, "..");
const from = (...parts: string[]) => path.join(root, ...parts);
const notice = "Generated from proto/errors.json by `npm run generate`. Do not edit.";

generateProtobuf();
generateErrors();
generateApiReference();

function generateProtobuf(): void {
  const buf = from("node_modules/.bin/buf");
  execFileSync(buf, ["generate"], { cwd: root, stdio: "inherit" });
  execFileSync(buf, ["generate", "--template", "sdk/typescript/buf.gen.yaml"], {
    cwd: root,
    stdio: "inherit",
  });
  // What the control plane's reflection serves, comments included.
  const image = ["build", "--as-file-descriptor-set", "-o", "proto/gen/descriptor-set.binpb"];
  execFileSync(buf, image, { cwd: root, stdio: "inherit" });
  execFileSync("bash", ["sdk/python/generate.sh"], { cwd: root, stdio: "inherit" });
  generateOtlp(buf);
}

/** For the tests' receiver of traces, out of OpenTelemetry's own package. */
function generateOtlp(buf: string): void {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-otlp-"));
  const image = path.join(folder, "otlp.binpb");
  const script = "test/telemetry/otlp_protos.py";
  writeFileSync(image, execFileSync(from(".cache/venv/bin/python"), [script], { cwd: root }));
  const template = ["--template", "test/telemetry/buf.gen.yaml"];
  execFileSync(buf, ["generate", image, ...template], { cwd: root, stdio: "inherit" });
  rmSync(folder, { recursive: true });
}

function generateErrors(): void {
  const table = JSON.parse(readFileSync(from("proto/errors.json"), "utf8")) as {
    errors: Record<string, ErrorRow>;
  };
  const rows = Object.entries(table.errors);
  write("proto/gen/errors.ts", errorsTypeScript(rows));
  // Browsers load this one: without what no client can meet.
  const met = rows.filter(([, { where }]) => /gateway|SDK|^bus$/.test(where));
  write("sdk/typescript/gen/errors.ts", sdkErrorsTypeScript(met));
  write("sdk/typescript/gen/fixes.ts", fixesTypeScript(met));
  write("sdk/python/tidegate/_gen/errors.py", errorsPython(rows));
  write("docs/errors.md", errorsMarkdown(rows));
  // As the formatter wants it, so that formatting the repository leaves no diff.
  execFileSync(from("node_modules/.bin/biome"), ["format", "--write", "docs/errors.md"], {
    cwd: root,
    stdio: "inherit",
  });
}

function generateApiReference(): void {
  const image = readFileSync(from("proto/gen/descriptor-set.binpb"));
  const about = "Generated from proto/tidegate/control/v1 by `npm run generate`. Do not edit.";
  write("docs/api.md", `# API reference\n\n<!-- ${about} -->\n\n${apiReference(image)}\n`);
  execFileSync(from("node_modules/.bin/biome"), ["format", "--write", "docs/api.md"], {
    cwd: root,
    stdio: "inherit",
  });
}

function write(file: string, text: string): void {
  mkdirSync(path.dirname(from(file)), { recursive: true });
  writeFileSync(from(file), text);
}

function errorsTypeScript(rows: [string, ErrorRow][]): string {
  const body = rows.map(([code, row]) => {
    const close = row.close ?? null;
    const afterMs = row.retryAfterMs ?? 0;
    return [
      `  /** ${row.means} ${row.fix} */`,
      `  ${code}: { close: ${close}, retry: "${row.retry}", retryAfterMs: ${afterMs}, ` +
        `grpc: "${row.grpc}", fix: ${JSON.stringify(row.fix)} },`,
    ].join("\n");
  });
  return `// ${notice}

/** Whether a failed request can be repeated: never, as it is, or after connecting again. */
export type RetryAdvice = "no" | "same" | "reconnect";

/** What every code means for the connection and the retry, and for gRPC. */
export interface ErrorInfo {
  /** WebSocket close code, or null when the connection stays open. */
  readonly close: number | null;
  readonly retry: RetryAdvice;
  /** Least wait before the retry, milliseconds. */
  readonly retryAfterMs: number;
  /** Name of the gRPC status. */
  readonly grpc: string;
  /** What to do about it. */
  readonly fix: string;
}

export const ERRORS = {
${body.join("\n")}
} as const satisfies Record<string, ErrorInfo>;

/** A stable error code: a key of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;
`;
}

/** As text, and only what differs from "no retry, and the connection stays": browsers load it. */
function sdkErrorsTypeScript(rows: [string, ErrorRow][]): string {
  const codes = rows.map(([code, row]) => `  /** ${row.means} ${row.fix} */\n  | "${code}"`);
  const told = rows.filter(([, row]) => row.retry !== "no" || row.close !== undefined);
  const text = told.map(([code, { retry, close = 0, retryAfterMs = 0 }]) => {
    const isFinal = close >= 4500 || close === 1008 || close === 1009;
    if (isFinal !== (retry === "no")) throw new Error(`${code}: ${close} is not "${retry}"`);
    return `  ${code} ${close} ${retryAfterMs}`.replace(/( 0)+$/, "");
  });
  return `// ${notice}

/** A stable error code. */
export type ErrorCode =
${codes.join("\n")};

/**
 * What codes mean, in lines \`code close retryAfterMs\`, numbers that are 0 left out at the end.
 * The close code says whether to try again. A code without a line is not worth it, and leaves the
 * connection open.
 */
export const ERROR_LINES = \`
${text.join("\n")}\`;
`;
}

/** What to do about each code, apart: browsers do without. */
function fixesTypeScript(rows: [string, ErrorRow][]): string {
  const body = rows.map(([code, { fix }]) => `  ["${code}", ${JSON.stringify(fix)}],`);
  return `// ${notice}

/** What to do about each code; a browser has its text in docs/errors.md alone. */
export const FIXES: ReadonlyMap<string, string> = new Map([
${body.join("\n")}
]);
`;
}

function errorsPython(rows: [string, ErrorRow][]): string {
  const body = rows.map(
    ([code, row]) =>
      `    "${code}": ErrorInfo(\n` +
      `        close=${row.close ?? "None"},\n` +
      `        retry="${row.retry}",\n` +
      `        retry_after_ms=${row.retryAfterMs ?? 0},\n` +
      `        means=${JSON.stringify(row.means)},\n` +
      `        fix=${JSON.stringify(row.fix)},\n` +
      "    ),",
  );
  return `# ${notice}
"""Error codes, their WebSocket close codes, and what to do about each."""

from __future__ import annotations

from typing import Literal, NamedTuple, Optional

RetryAdvice = Literal["no", "same", "reconnect"]


class ErrorInfo(NamedTuple):
    """What a code means for the connection and the retry."""

    close: Optional[int]
    retry: RetryAdvice
    retry_after_ms: int
    means: str
    fix: str


ERRORS: dict[str, ErrorInfo] = {
${body.join("\n")}
}
`;
}

function errorsMarkdown(rows: [string, ErrorRow][]): string {
  const line = ([code, row]: [string, ErrorRow]) =>
    `| \`${code}\` | ${row.close ?? "–"} | ${retryText(row)} | ${row.grpc} | ${row.where} | ` +
    `${row.means} | ${row.fix} |`;
  return `# Errors

<!-- ${notice} -->

Every error has a stable code. On a client connection it comes as an \`ErrorFrame\`; where the
connection ends, the WebSocket close code says the same. Close codes 4000–4499 and 1013: connect
again. 4500–4999, 1008 and 1009: do not, the same would happen again. "same": the request may be
repeated; "reconnect": after connecting again.

| code | close | retry | gRPC status | raised by | what it means | what to do |
| --- | --- | --- | --- | --- | --- | --- |
${rows.map(line).join("\n")}
`;
}

function retryText(row: ErrorRow): string {
  return row.retryAfterMs === undefined ? row.retry : `${row.retry}, after ${row.retryAfterMs} ms`;
}
