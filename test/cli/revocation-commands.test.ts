/**
 * `tidegatectl revocations …` against a real server with real tokens.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { issuerKey, nowS, pemOf, sign } from "../gateway/auth/tokens.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { runCli } from "./run-cli.ts";

let server: Server;
const folder = mkdtempSync(path.join(tmpdir(), "tidegate-revocations-"));
const key = issuerKey("ES256");

beforeAll(async () => {
  const file = path.join(folder, "key.pem");
  writeFileSync(file, pemOf(key));
  server = await startServer({ env: { AUTH: "jwt", AUTH_JWT_KEY_FILE: file } });
}, 60_000);
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) =>
  runCli(["revocations", ...args], { env: { TIDEGATE_CONTROL: server.grpc } });

const token = (claims: object) => sign(key, { sub: "anna", exp: nowS() + 600, ...claims });

test("revocations: create, list, get and delete, and clients are closed and let in by them", async () => {
  const phone = await RawClient.open(server.port, { token: await token({ jti: "phone" }) });
  const desk = await RawClient.open(server.port, { token: await token({ jti: "desk" }) });
  const dry = await run("create", "--token-id", "phone", "--id", "stolen", "--dry-run");
  expect(dry.stdout).toContain("nothing was changed");
  const reason = ["--reason", "stolen phone"];
  const made = await run(
    "create",
    "--token-id",
    "phone",
    "--id",
    "stolen",
    "--ttl",
    "2h",
    ...reason,
  );
  expect(made.stdout).toMatch(/^stolen +phone +- +- +1h59m +stolen phone$/m);
  expect(await phone.closed).toEqual({ code: 4506, reason: "TOKEN_REVOKED" });
  await desk.settle();
  const listed = JSON.parse((await run("list", "-o", "json")).stdout);
  expect(listed).toMatchObject([{ name: "stolen", tokenId: "phone", reason: "stolen phone" }]);
  expect((await run("get", "stolen")).stdout).toContain("stolen phone");
  expect((await run("delete", "stolen")).stdout).toBe("stolen: taken back\n");
  const again = await RawClient.open(server.port, { token: await token({ jti: "phone" }) });
  await run("create", "--user", "anna");
  expect([(await again.closed).reason, (await desk.closed).reason]).toEqual([
    ...["TOKEN_REVOKED", "TOKEN_REVOKED"],
  ]);
  const later = { token: await token({ iat: nowS() + 30 }) };
  await (await RawClient.open(server.port, later)).close();
  const none = await run("create");
  expect([none.code === 0, none.stderr]).toEqual([false, expect.stringContaining("token_id")]);
  expect((await run("get", "nothing")).stderr).toContain("NOT_FOUND");
}, 60_000);
