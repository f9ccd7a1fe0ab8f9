/**
 * `tidegatectl` and a control plane that asks who calls: tokens, TLS, certificates, and what is
 * said when they are missing.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { Authority, type CertificateFiles, Issuer } from "../controlplane/access/issue.ts";
import { openControlPlane } from "../controlplane/start-control-plane.ts";
import { runCli } from "./run-cli.ts";

const issuer = new Issuer();
let folder = "";
let authority: Authority;
let anna: CertificateFiles;
let secure = "";
let plain = "";
let tokenFile = "";

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "tidegate-cli-"));
  authority = new Authority(folder, "ours");
  const own = authority.issue("/CN=control");
  anna = authority.issue("/CN=anna/OU=viewer");
  const tls = { tlsCertFile: own.cert, tlsKeyFile: own.key, tlsCaFile: authority.ca };
  const authJwtKeyFile = issuer.write(path.join(folder, "jwt.pem"));
  const planes = [
    await openControlPlane({ ...tls, authJwtKeyFile }),
    await openControlPlane({ authJwtKeyFile }),
  ];
  [secure = "", plain = ""] = planes.map(({ plane }) => plane.address);
  tokenFile = path.join(folder, "token");
  writeFileSync(tokenFile, `${await issuer.token({ sub: "bert", tidegate_role: "operator" })}\n`);
  return async () => {
    for (const each of planes) await each.close();
    rmSync(folder, { recursive: true, force: true });
  };
});

test("a token from a file, and from the environment, without TLS on loopback", async () => {
  const control = ["--control", plain];
  const byFile = await runCli([...control, "--token-file", tokenFile, "shards"]);
  expect(byFile).toMatchObject({ code: 0, stderr: "" });
  const env = { TIDEGATE_TOKEN_FILE: tokenFile, TIDEGATE_CONTROL: plain };
  expect(await runCli(["shards"], { env })).toMatchObject({ code: 0, stderr: "" });
  const none = await runCli([...control, "shards"]);
  expect(none.stderr).toMatch(/no token .*\[CREDENTIALS_INVALID\]\n.*--token-file/);
  expect(none.stdout).toBe("");
});

test("TLS: by the authority, with a certificate; the role that is needed is named", async () => {
  const trust = ["--control", secure, "--tls-ca", authority.ca];
  const certificate = ["--tls-cert", anna.cert, "--tls-key", anna.key];
  const seen = await runCli([...trust, ...certificate, "class", "list"]);
  expect(seen).toMatchObject({ code: 0, stderr: "" });
  const env = { TIDEGATE_CONTROL: secure, TIDEGATE_TLS_CA: authority.ca };
  const own = { TIDEGATE_TLS_CERT: anna.cert, TIDEGATE_TLS_KEY: anna.key };
  expect(await runCli(["slots", "1"], { env: { ...env, ...own } })).toMatchObject({ code: 0 });
  const refused = await runCli([...trust, ...certificate, "audit"]);
  expect(refused.stderr).toContain(
    'ListAuditEntries needs the role operator; "anna" has the role viewer [ROLE_REQUIRED]',
  );
  const byToken = await runCli([...trust, "--token-file", tokenFile, "audit", "--refused"]);
  expect(byToken.code).toBe(0);
  expect(byToken.stdout).toMatch(/anna +ListAuditEntries +- +ROLE_REQUIRED/);
});

test("TLS that does not fit is told with what to do", async () => {
  const stranger = new Authority(folder, "stranger");
  const cases: [string[], RegExp][] = [
    [["--control", secure], /can not be reached.*\n.*--tls-ca/],
    [["--control", secure, "--tls-ca", stranger.ca], /can not be reached.*\n.*--tls-ca/],
    [["--control", plain, "--tls-ca", authority.ca], /can not be reached.*\n.*leave --tls-ca out/],
  ];
  for (const [args, text] of cases) {
    const ended = await runCli([...args, "shards"]);
    expect(ended.code).not.toBe(0);
    expect(ended.stderr).toMatch(text);
  }
});

test("mistakes with credentials are usage errors, and no token leaves without TLS", async () => {
  const far = ["--control", "control.example:9090"];
  const cases: [string[], string][] = [
    [[...far, "--token", "secret"], "a token is not sent to control.example:9090 without TLS"],
    [["--tls-cert", anna.cert], "--tls-cert and --tls-key belong together"],
    [["--tls-cert", anna.cert, "--tls-key", anna.key], "--tls-cert without --tls-ca"],
    [["--token-file", path.join(folder, "none")], "--token-file can not be read"],
    [["--tls-ca", path.join(folder, "none")], "--tls-ca can not be read"],
    [
      ["--tls-ca", authority.ca, "--tls-cert", anna.cert, "--tls-key", tokenFile],
      "--tls-ca, --tls-cert or --tls-key:",
    ],
  ];
  for (const [args, text] of cases) {
    const ended = await runCli([...args, "shards"], { env: { TIDEGATE_CONTROL: plain } });
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain(text);
    expect(ended.stderr).not.toContain("secret");
  }
});
