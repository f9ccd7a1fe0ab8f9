/**
 * What tests of `tidegatectl explain` share: users with tokens, and the answer as data.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { formatPosition } from "../bus/position.ts";
import type { ExplainText } from "../cli/explain-command.ts";
import type { Position } from "../proto/gen/tidegate/client/v1/message.ts";
import { runCli } from "./cli/run-cli.ts";
import type { RawClient } from "./gateway/raw-client.ts";
import { type Server, startServer } from "./start-server.ts";

/** Token of a user of these tests. */
export function tokenOf(user: string): string {
  return `token-of-the-user-${user}`;
}

/** Environment of a server that knows these users; "eve" may only join chat:eve. */
export function environmentOf(users: readonly string[]): Record<string, string> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-explain-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const grantsOf = (user: string) => [{ rooms: user === "eve" ? "chat:eve" : "*", can: ["join"] }];
  const tokens = users.map((user) => ({
    ...{ token: tokenOf(user), user },
    ...(user === "eve" ? { grants: grantsOf(user) } : {}),
  }));
  const file = path.join(folder, "tokens.json");
  writeFileSync(file, JSON.stringify({ tokens }));
  return { AUTH: "static", AUTH_TOKENS_FILE: file };
}

/** Starts it; it ends with the test. */
export async function startKnown(env: Record<string, string>): Promise<Server> {
  const server = await startServer({ env });
  onTestFinished(() => server.close());
  return server;
}

/** Publishes and returns the position as text. */
export async function publishTo(client: RawClient, room: string, seq: number): Promise<string> {
  const { position } = await client.ack(client.publish({ room, seq, payload: `${seq}` }));
  return textOf(position);
}

/** Position text of a wire position. */
export function textOf(position: Position | undefined): string {
  if (position === undefined) return "";
  const { epoch, seq, timeUs } = position;
  return formatPosition({ epoch, seq: Number(seq), timeUs: Number(timeUs) });
}

/** What `tidegatectl explain -o json` says. */
export async function explain(
  control: string,
  user: string,
  room: string,
  message = "",
): Promise<ExplainText> {
  const args = ["explain", "--control", control, "--room", room, "--user", user, "-o", "json"];
  const { code, stdout, stderr } = await runCli([...args, "--message", message]);
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
  return JSON.parse(stdout) as ExplainText;
}
