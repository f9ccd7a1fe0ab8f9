/**
 * Gateways and control plane in processes of their own, with mutual TLS: a gateway is let in by its
 * own certificate, and speaks for itself alone.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runProcess } from "../cli/run-cli.ts";
import { Authority, type CertificateFiles } from "../controlplane/access/issue.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats } from "./start-nats.ts";

interface Link {
  readonly connected: boolean;
  readonly detail: string;
}

async function linkOf(server: Server): Promise<Link> {
  const health = (await (await fetch(`${server.http}/health`)).json()) as {
    config: { control_plane: Link };
  };
  return health.config.control_plane;
}

/** Reads /health until the link is as wanted. */
async function untilLink(server: Server, isWanted: (link: Link) => boolean): Promise<Link> {
  for (;;) {
    const link = await linkOf(server);
    if (isWanted(link)) return link;
  }
}

test("mutual TLS: a gateway follows by its own certificate; with another's it serves without", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-mtls-"));
  const nats = await startTestNats(1);
  onTestFinished(async () => {
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const authority = new Authority(folder, "ours");
  const start = async (env: Record<string, string>, files: CertificateFiles) => {
    const tls = { CONTROL_TLS_CERT_FILE: files.cert, CONTROL_TLS_KEY_FILE: files.key };
    const shared = { NATS_URL: nats.urls.join(","), CONTROL_TLS_CA_FILE: authority.ca };
    const server = await startServer({ env: { ...shared, ...tls, ...env } });
    onTestFinished(() => server.close());
    return server;
  };
  const plane = await start({ PARTS: "controlplane" }, authority.issue("/CN=control"));
  const own = authority.issue("/CN=gw-1/OU=gateway");
  const at = { PARTS: "gateway", CONTROL_URL: `127.0.0.1:${plane.controlPort}` };
  const [first, second] = await Promise.all([
    start({ ...at, GATEWAY_ID: "gw-1" }, own),
    start({ ...at, GATEWAY_ID: "gw-2" }, own),
  ]);
  await untilLink(first, ({ connected }) => connected);
  const refused = await untilLink(second, ({ detail }) => detail !== "");
  expect(refused.connected).toBe(false);
  expect(refused.detail).toMatch(/PERMISSION_DENIED.*gw-1/);
  const member = await RawClient.open(second.port);
  await member.join("chat:still-open");
  member.socket.terminate();

  const anna = authority.issue("/CN=anna/OU=operator");
  const env = {
    TIDEGATE_CONTROL: at.CONTROL_URL,
    ...{ TIDEGATE_TLS_CA: authority.ca, TIDEGATE_TLS_CERT: anna.cert, TIDEGATE_TLS_KEY: anna.key },
  };
  const gateways = await runProcess(["gateways"], { env });
  expect(gateways).toMatchObject({ code: 0, stderr: "" });
  expect(gateways.stdout).toMatch(/^gw-2 +gateway/m);
  const audit = await runProcess(["audit", "--refused"], { env });
  expect(audit.stdout).toMatch(/gw-1 +StreamRouting/);
}, 120_000);
