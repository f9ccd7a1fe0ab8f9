/** TLS of clients: what is refused, and a certificate that changes under open connections. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { judgeCertificate } from "../../../gateway/edge/certificate.ts";
import { Authority, type CertificateFiles } from "../../controlplane/access/issue.ts";
import { RawClient } from "../raw-client.ts";
import { openTestGateway } from "../start-gateway.ts";

let folder: string;
let authority: Authority;
let first: CertificateFiles;
let second: CertificateFiles;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tidegate-tls-"));
  authority = new Authority(folder, "ca");
  first = authority.issue("/CN=first");
  second = authority.issue("/CN=second");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (file: string) => readFileSync(file, "utf8");

test("judgeCertificate: says what is wrong, and never what is in the key", () => {
  const [cert, key] = [read(first.cert), read(first.key)];
  const nowMs = Date.now();
  expect(judgeCertificate(cert, key, nowMs).notAfterMs).toBeGreaterThan(nowMs);
  const wrong: [string, string, number, string][] = [
    [cert, read(second.key), nowMs, "TLS_KEY_FILE is not the key of TLS_CERT_FILE"],
    [key, key, nowMs, "TLS_CERT_FILE holds no PEM certificate"],
    [cert, cert, nowMs, "TLS_KEY_FILE holds no PEM private key"],
    ["", "", nowMs, "TLS_CERT_FILE holds no PEM certificate"],
    [cert, key, nowMs + 3 * 86_400_000, "ended on"],
  ];
  for (const [certPem, keyPem, atMs, sentence] of wrong) {
    expect(() => judgeCertificate(certPem, keyPem, atMs)).toThrow(sentence);
    const secret = key.split("\n")[1] ?? "";
    expect(() => judgeCertificate(certPem, keyPem, atMs)).not.toThrow(secret);
  }
});

/** A gateway that serves copies of `first`, which a test can replace. */
async function startSecure() {
  const files = { cert: path.join(folder, "live.pem"), key: path.join(folder, "live.key") };
  const put = (from: CertificateFiles) => {
    copyFileSync(from.cert, files.cert);
    copyFileSync(from.key, files.key);
  };
  put(first);
  const options = { tlsCertFile: files.cert, tlsKeyFile: files.key };
  const gateway = await openTestGateway({ options });
  const clients: RawClient[] = [];
  onTestFinished(async () => {
    for (const { socket } of clients) socket.terminate();
    await gateway.close();
  });
  const ca = read(authority.ca);
  const open = async () => {
    const client = new RawClient(gateway.port, { ca });
    clients.push(client);
    const name = new Promise<string>((resolve) => {
      client.socket.on("upgrade", ({ socket }) => {
        resolve(`${(socket as TLSSocket).getPeerCertificate().subject.CN}`);
      });
    });
    await client.opened();
    client.hello();
    await client.next("welcome");
    return { client, name: await name };
  };
  return { ...gateway, files, put, open, edge: () => gateway.gateway.stats().edge.certificate };
}

test("a certificate that changes: newcomers get it, and who is connected goes on in the same rooms", async () => {
  const { put, open, edge, files, logged } = await startSecure();
  const before = await open();
  expect(before.name).toBe("first");
  const { roomAlias } = await before.client.join("live:tls");

  // Half of a pair: the one before is served on, and it is said why.
  writeFileSync(files.cert, read(second.cert));
  await vi.waitUntil(() => edge()?.trouble !== "", { timeout: 10_000 });
  expect(edge()).toMatchObject({ reloadCount: 0, trouble: expect.stringContaining("not the key") });
  expect((await open()).name).toBe("first");
  expect(logged).toEqual(["the certificate before is served on"]);

  put(second);
  await vi.waitUntil(() => edge()?.reloadCount === 1, { timeout: 10_000 });
  expect(edge()).toMatchObject({ trouble: "", generationCount: 2 });
  const after = await open();
  expect(after.name).toBe("second");

  // One room over both: messages go to members of either certificate, in either direction.
  const joined = await after.client.join("live:tls");
  expect(joined.roomAlias).toBe(roomAlias);
  before.client.publish({ room: "live:tls", payload: "from the old one" });
  after.client.publish({ room: "live:tls", payload: "from the new one" });
  for (const { client } of [before, after]) {
    expect((await client.texts(roomAlias, 2)).toSorted()).toEqual([
      "from the new one",
      "from the old one",
    ]);
  }
  expect(before.client.socket.readyState).toBe(before.client.socket.OPEN);
}, 30_000);

test("newcomers while the certificate changes: each gets one of the two, none is dropped", async () => {
  const { gateway, open, put, edge } = await startSecure();
  let isOver = false;
  const names = new Set<string>();
  let count = 0;
  const loop = async () => {
    while (!isOver) {
      const { client, name } = await open();
      names.add(name);
      count += 1;
      await client.close();
    }
  };
  const loops = [loop(), loop(), loop(), loop()];
  put(second);
  await vi.waitUntil(() => edge()?.reloadCount === 1, { timeout: 10_000 });
  const wanted = count + 20;
  await vi.waitUntil(() => count >= wanted, { timeout: 10_000 });
  isOver = true;
  await Promise.all(loops);
  expect(names).toEqual(new Set(["first", "second"]));
  expect(gateway.stats().connectionCount).toBe(0);
}, 30_000);
