/**
 * Access control of the real process: its own gateway follows its control plane, operators show
 * tokens, and whoever shows none changes nothing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runProcess } from "../../cli/run-cli.ts";
import { startServer } from "../../start-server.ts";
import { Authority, Issuer } from "./issue.ts";

interface Health {
  readonly config: { readonly control_plane: { readonly connected: boolean } | null };
}

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-process-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("TLS and tokens: the own gateway is let in, an operator too, a stranger is not", async () => {
  const folder = newFolder();
  const issuer = new Issuer();
  const authority = new Authority(folder, "ours");
  const own = authority.issue("/CN=control");
  const server = await startServer({
    env: {
      CONTROL_HOST: "0.0.0.0",
      CONTROL_AUTH_JWT_KEY_FILE: issuer.write(path.join(folder, "jwt.pem")),
      CONTROL_TLS_CERT_FILE: own.cert,
      CONTROL_TLS_KEY_FILE: own.key,
    },
  });
  onTestFinished(() => server.close());
  for (let isConnected = false; !isConnected; ) {
    const health = (await (await fetch(`${server.http}/health`)).json()) as Health;
    isConnected = health.config.control_plane?.connected === true;
  }
  const token = await issuer.token({ sub: "anna", tidegate_role: "operator" });
  const env = {
    TIDEGATE_CONTROL: `127.0.0.1:${server.controlPort}`,
    TIDEGATE_TLS_CA: authority.ca,
  };
  const input = '{"name": "game", "mode": "ephemeral"}';
  const apply = ["class", "apply", "-f", "-"];
  const refused = await runProcess(apply, { env, input });
  expect(refused).toMatchObject({ code: expect.any(Number), stdout: "" });
  expect(refused.stderr).toContain("[CREDENTIALS_INVALID]");
  const applied = await runProcess(apply, { env: { ...env, TIDEGATE_TOKEN: token }, input });
  expect(applied).toMatchObject({ code: 0, stderr: "" });
  const audit = await runProcess(["audit"], { env: { ...env, TIDEGATE_TOKEN: token } });
  const rows = audit.stdout.trimEnd().split("\n").slice(1);
  expect(rows[0]).toMatch(
    /anna +(Create|Update)RoomClass +tenants\/default\/roomClasses\/game +OK/,
  );
  expect(rows.at(-1)).toMatch(/\? \(.*\) +\w+ .*CREDENTIALS_INVALID/);
  expect(server.stderr()).not.toContain("asks nobody");
}, 60_000);

test("without access control: loopback only, and the log says so", async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  expect(server.stderr()).toContain("asks nobody who he is");
  const far = startServer({ env: { CONTROL_HOST: "0.0.0.0" } });
  await expect(far).rejects.toThrow("callers must prove who they are");
}, 60_000);
