/**
 * Every way to be let in by a NATS, against one that asks for it; the wrong key is refused by name,
 * and no secret is ever in what the process says.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { from } from "../tidy/source.ts";
import { type Certificates, makeCertificates, makeOperatorMode } from "./credentials.ts";
import { refusal } from "./refusal.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-access-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function startWith(lines: string): Promise<TestNats> {
  const nats = await startTestNats(1, lines);
  onTestFinished(() => nats.stop());
  return nats;
}

/** Starts with these options, publishes and reads back; returns everything the process says. */
async function use(env: Record<string, string>): Promise<string> {
  const server = await startServer({ env: { ...env, LOG_LEVEL: "debug" } });
  onTestFinished(() => server.close());
  await publishAndRead(server);
  const health = await (await fetch(`${server.http}/health`)).text();
  await server.stop();
  return `${health}\n${server.stderr()}`;
}

async function publishAndRead(server: Server): Promise<void> {
  const client = await RawClient.open(server.port);
  const room = `chat:of-${server.pid}`;
  const { roomAlias } = await client.join(room);
  await client.ack(client.publish({ room, seq: 1, payload: "stored" }));
  expect(await client.texts(roomAlias, 1)).toEqual(["stored"]);
  const requestId = client.nextId();
  const target = { $case: "room" as const, value: room };
  client.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 10 } });
  expect((await client.next("historyPage")).messages).toHaveLength(1);
  client.socket.terminate();
}

test("nats.conf: gateway and control plane do their work with their own users", async () => {
  const passwords = { gateway: "gateway-pa55word", controlplane: "controlplane-pa55word" };
  // The shipped file, its secrets filled in; addresses and store come from the node's own lines.
  process.env.TIDEGATE_GATEWAY_PASSWORD = passwords.gateway;
  process.env.TIDEGATE_CONTROLPLANE_PASSWORD = passwords.controlplane;
  const nats = await startWith(readFileSync(from("deploy/nats/nats.conf"), "utf8"));
  const NATS_URL = nats.urls.join(",");
  const servers: Server[] = [];
  for (const [part, password] of Object.entries(passwords)) {
    const env = { NATS_URL, PARTS: part, NATS_USER: part, NATS_PASSWORD: password };
    const server = await startServer({ env: { ...env, LOG_LEVEL: "debug" } });
    onTestFinished(() => server.close());
    servers.push(server);
  }
  const [gateway, controlPlane] = servers;
  if (gateway === undefined || controlPlane === undefined) throw new Error("both have started");
  await publishAndRead(gateway);
  for (const server of servers) {
    await server.stop();
    expect(server.stderr()).not.toMatch(/pa55word|permission/i);
  }
}, 60_000);

test("user and password: as options or in the URL; wrong ones are refused, none is printed", async () => {
  const nats = await startWith("authorization { user: gateway, password: r1ght-secret }\n");
  const NATS_URL = nats.urls.join(",");
  const inUrl = (secret: string) => NATS_URL.replace("//", `//gateway:${encodeURI(secret)}@`);
  const said = [
    await use({ NATS_URL, NATS_USER: "gateway", NATS_PASSWORD: "r1ght-secret" }),
    await use({ NATS_URL: inUrl("r1ght-secret") }),
  ];
  const refused = [
    await refusal({ NATS_URL }),
    await refusal({ NATS_URL, NATS_USER: "gateway", NATS_PASSWORD: "wr0ng-secret" }),
    await refusal({ NATS_URL: inUrl("wr0ng-secret") }),
    await refusal({ NATS_URL: inUrl("f@lse:/@wr0ng-secret") }),
  ];
  for (const text of refused) {
    expect(text).toContain("[BUS_ACCESS_DENIED] NATS at nats://127.0.0.1:");
    expect(text).toContain("refuses these credentials");
  }
  for (const text of [...said, ...refused]) expect(text).not.toMatch(/r1ght-secret|wr0ng-secret/);
}, 90_000);

test("token: right and wrong", async () => {
  const nats = await startWith("authorization { token: r1ght-t0ken }\n");
  const NATS_URL = nats.urls.join(",");
  const said = await use({ NATS_URL, NATS_TOKEN: "r1ght-t0ken" });
  const refused = await refusal({ NATS_URL, NATS_TOKEN: "wr0ng-t0ken" });
  expect(refused).toContain("[BUS_ACCESS_DENIED]");
  for (const text of [said, refused]) expect(text).not.toMatch(/r1ght-t0ken|wr0ng-t0ken/);
}, 60_000);

test("credentials file: right, another installation's, and no such file", async () => {
  const [own, other] = [makeOperatorMode(), makeOperatorMode()];
  const nats = await startWith(own.lines);
  const NATS_URL = nats.urls.join(",");
  const folder = newFolder();
  const file = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const said = await use({ NATS_URL, NATS_CREDS_FILE: file("own.creds", own.credentials) });
  const foreign = file("other.creds", other.credentials);
  const refused = await refusal({ NATS_URL, NATS_CREDS_FILE: foreign });
  expect(refused).toContain("[BUS_ACCESS_DENIED]");
  const junk = await refusal({ NATS_URL, NATS_CREDS_FILE: file("junk", "SUAMSECRETSEED junk") });
  expect(junk).toContain("[OPTION_INVALID] NATS_CREDS_FILE holds no NATS credentials");
  const none = await refusal({ NATS_URL, NATS_CREDS_FILE: path.join(folder, "none") });
  expect(none).toContain("[OPTION_INVALID] NATS_CREDS_FILE: ");
  const secrets = [own, other].map(({ credentials }) => /SU[A-Z0-9]{40,}/.exec(credentials)?.[0]);
  for (const text of [said, refused, junk, none]) {
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect(text).not.toContain("SUAMSECRETSEED");
  }
}, 90_000);

function tlsEnv({ ca, cert, key }: Certificates): Record<string, string> {
  return { NATS_TLS_CA_FILE: ca, NATS_TLS_CERT_FILE: cert, NATS_TLS_KEY_FILE: key };
}

test("mTLS: with our certificate, and refused without it, with another, or by another", async () => {
  const folder = newFolder();
  const [own, other] = [makeCertificates(folder, "own"), makeCertificates(folder, "other")];
  const files = `cert_file: "${own.cert}", key_file: "${own.key}", ca_file: "${own.ca}"`;
  const nats = await startWith(`tls { ${files}, verify: true }\n`);
  const NATS_URL = nats.urls.join(",").replace("nats://", "tls://");
  await use({ NATS_URL, ...tlsEnv(own) });
  const refused = [
    await refusal({ NATS_URL }),
    await refusal({ NATS_URL, NATS_TLS_CA_FILE: own.ca }),
    await refusal({ NATS_URL, ...tlsEnv(other) }),
    await refusal({ NATS_URL, ...tlsEnv({ ...other, ca: own.ca }) }),
  ];
  for (const text of refused) expect(text).toMatch(/NATS_TLS_(CA|CERT)_FILE/);
  const mixed = await refusal({ NATS_URL, ...tlsEnv({ ...own, key: other.key }) });
  expect(mixed).toContain("[OPTION_INVALID] NATS_TLS_");
  const junk = await refusal({ NATS_URL, ...tlsEnv({ ...own, cert: own.key }) });
  expect(junk).toContain("[OPTION_INVALID] NATS_TLS_");
  for (const text of [...refused, mixed, junk]) expect(text).not.toContain("PRIVATE KEY");
}, 120_000);

test("TLS that was asked for is not given up against a server without it", async () => {
  const nats = await startWith("max_payload: 2MB\n");
  const text = await refusal({ NATS_URL: nats.urls.join(",").replace("nats://", "tls://") });
  expect(text).toContain("[BUS_ACCESS_DENIED]");
  expect(text).toContain("has no TLS");
}, 60_000);

test.each([
  ["--help beside a secret", ["--nats-password", "s3cret-arg", "--help"]],
  ["an unknown flag beside it", ["--nats-password", "s3cret-arg", "--nonsense", "1"]],
  ["a misspelt flag with it", ["--nats-pasword=s3cret-arg"]],
  ["a misspelt flag before it", ["--nats-pasword", "s3cret-arg"]],
  ["a blank between", ["--nats-password", "", "s3cret-arg"]],
])("arguments: %s are not echoed", (_name, args) => {
  const node = [from("node_modules/.bin/node"), "--disable-warning=ExperimentalWarning"] as const;
  const options = { encoding: "utf8", cwd: from(".") } as const;
  const { stdout, stderr } = spawnSync(node[0], [node[1], "main.ts", ...args], options);
  expect(stdout + stderr).not.toBe("");
  expect(stdout + stderr).not.toContain("s3cret-arg");
});
