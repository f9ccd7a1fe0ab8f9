/**
 * Gateways and control planes in processes of their own, by token and by mutual TLS: a gateway is
 * let in by its own credentials and speaks for itself alone; when the control plane that it follows
 * is killed it goes to another, and its version never goes back.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePorts } from "../../deploy/nats/node.ts";
import { runCli } from "../cli/run-cli.ts";
import { Authority, Issuer } from "../controlplane/access/issue.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats } from "./start-nats.ts";

interface Config {
  readonly version: number;
  readonly control_plane: {
    readonly url: string;
    readonly connected: boolean;
    readonly detail: string;
  };
}

/** How processes and people prove who they are: environments. */
interface Proofs {
  readonly plane: Record<string, string>;
  gateway(id: string): Promise<Record<string, string>>;
  readonly cli: Record<string, string>;
}

async function configOf(server: Server): Promise<Config> {
  const health = (await (await fetch(`${server.http}/health`)).json()) as { config: Config };
  return health.config;
}

/** Reads /health until it is as wanted. @returns all that was read, the wanted one last. */
async function untilConfig(server: Server, isWanted: (config: Config) => boolean) {
  const seen: Config[] = [];
  for (;;) {
    const config = await configOf(server);
    seen.push(config);
    if (isWanted(config)) return seen;
  }
}

async function byToken(folder: string): Promise<Proofs> {
  const issuer = new Issuer();
  const key = issuer.write(path.join(folder, "jwt.pem"));
  const gateway = async (id: string) => {
    const file = path.join(folder, `${id}.token`);
    writeFileSync(file, await issuer.token({ sub: id, tidegate_role: "gateway" }));
    return { CONTROL_TOKEN_FILE: file };
  };
  const anna = await issuer.token({ sub: "anna", tidegate_role: "admin" });
  const plane = { CONTROL_AUTH_JWT_KEY_FILE: key };
  return { plane, gateway, cli: { TIDEGATE_TOKEN: anna } };
}

async function byCertificate(folder: string): Promise<Proofs> {
  const authority = new Authority(folder, "ours");
  const tls = (subject: string) => {
    const { cert, key } = authority.issue(subject);
    const files = { CONTROL_TLS_CERT_FILE: cert, CONTROL_TLS_KEY_FILE: key };
    return { CONTROL_TLS_CA_FILE: authority.ca, ...files };
  };
  const anna = authority.issue("/CN=anna/OU=admin");
  return {
    plane: tls("/CN=control"),
    gateway: async (id) => tls(`/CN=${id}/OU=gateway`),
    cli: {
      TIDEGATE_TLS_CA: authority.ca,
      ...{ TIDEGATE_TLS_CERT: anna.cert, TIDEGATE_TLS_KEY: anna.key },
    },
  };
}

test.each([
  ["token", byToken],
  ["mutual TLS", byCertificate],
] as const)(
  "%s: a gateway follows by its own, fails over from a killed control plane, and nobody is another",
  async (_name, prove) => {
    const folder = mkdtempSync(path.join(tmpdir(), "tidegate-access-"));
    const nats = await startTestNats(1);
    onTestFinished(async () => {
      await nats.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    const proofs = await prove(folder);
    const start = async (env: Record<string, string>, controlPort = 0) => {
      const shared = { NATS_URL: nats.urls.join(","), SHARD_COUNT: "1", LOG_LEVEL: "warn" };
      const server = await startServer({ controlPort, env: { ...shared, ...env } });
      onTestFinished(() => server.close());
      return server;
    };
    const ports = await freePorts(2);
    const [first, ...gateways] = await Promise.all([
      start({ PARTS: "controlplane", GATEWAY_ID: "cp-1", ...proofs.plane }, ports[0]),
      // gw-3 shows what is gw-1's.
      ...["gw-1", "gw-3"].map(async (id) => {
        const urls = ports.map((port) => `127.0.0.1:${port}`).join(",");
        const own = await proofs.gateway("gw-1");
        return start({ PARTS: "gateway", GATEWAY_ID: id, CONTROL_URL: urls, ...own });
      }),
    ]);
    const [own, other] = gateways;
    if (own === undefined || other === undefined) throw new Error("two gateways were started");
    const addresses = ports.map((port) => `127.0.0.1:${port}`).join(",");
    const ctl = async (...args: string[]) => {
      const input = JSON.stringify({ name: args.at(-1), mode: "durable" });
      const env = { TIDEGATE_CONTROL: addresses, ...proofs.cli };
      const ended = await runCli(args[0] === "class" ? args.slice(0, -1) : args, { env, input });
      expect(ended).toMatchObject({ code: 0, stderr: "" });
      return ended.stdout;
    };
    await untilConfig(own, ({ control_plane }) => control_plane.connected);
    const refused = await untilConfig(other, ({ control_plane }) =>
      control_plane.detail.includes("PERMISSION_DENIED"),
    );
    expect(refused.map(({ control_plane }) => control_plane.connected)).not.toContain(true);
    expect(refused.at(-1)?.control_plane.detail).toContain("gateway gw-1 alone");
    const member = await RawClient.open(other.port); // it serves without
    await member.join("chat:still-open");
    member.socket.terminate();
    await ctl("class", "apply", "-f", "-", "one");
    await start({ PARTS: "controlplane", GATEWAY_ID: "cp-2", ...proofs.plane }, ports[1]);
    const before = await configOf(own);
    expect(before.control_plane.url).toContain(String(ports[0]));

    await first?.kill();
    const failingOver = await untilConfig(own, ({ control_plane }) => {
      return control_plane.connected && control_plane.url.includes(String(ports[1]));
    });
    await ctl("class", "apply", "-f", "-", "two");
    const following = await untilConfig(own, ({ version }) => version > before.version);
    const versions = [before, ...failingOver, ...following].map(({ version }) => version);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    const joiner = await RawClient.open(own.port);
    expect((await joiner.join("two:room")).roomAlias).toBeGreaterThan(0);
    joiner.socket.terminate();

    expect(await ctl("gateways")).toMatch(/^gw-3 +gateway/m);
    expect(await ctl("audit", "--refused")).toMatch(/gw-1 +StreamRouting/);
  },
  120_000,
);
