/**
 * TLS with WORKERS: one pair of files changes, and each worker serves it by itself, on the port
 * that they share, to newcomers; who is connected stays, at every worker.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Authority, type CertificateFiles } from "../controlplane/access/issue.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startTestNats, type TestNats } from "../nats/start-nats.ts";
import { type Server, startServer } from "../start-server.ts";

const WORKER_COUNT = 2;
/** Connections until each worker has one: the kernel spreads them, by chance. */
const TRIES_MAX = 200;

const folder = mkdtempSync(path.join(tmpdir(), "tidegate-workers-tls-"));
const authority = new Authority(folder, "ca");
const ca = readFileSync(authority.ca, "utf8");
const files = { cert: path.join(folder, "live.pem"), key: path.join(folder, "live.key") };
const clients: RawClient[] = [];
let nats: TestNats;
let server: Server;

/** A worker's certificate, as the aggregated /health shows it. */
interface Tls {
  readonly reloads: number;
  readonly trouble: string;
}

function put(from: CertificateFiles): void {
  copyFileSync(from.cert, files.cert);
  copyFileSync(from.key, files.key);
}

/** A newcomer: which worker took it, and under which certificate. */
async function open(): Promise<{ client: RawClient; worker: string; name: string }> {
  const client = new RawClient(server.port, { ca });
  clients.push(client);
  const name = new Promise<string>((resolve) => {
    client.socket.on("upgrade", ({ socket }) => {
      resolve(`${(socket as TLSSocket).getPeerCertificate().subject.CN}`);
    });
  });
  await client.opened();
  client.hello();
  const { connectionId } = await client.next("welcome");
  return { client, worker: connectionId.split("-").slice(0, -1).join("-"), name: await name };
}

/** One newcomer at each worker; the others leave again. */
async function openAtEach(): Promise<Awaited<ReturnType<typeof open>>[]> {
  const byWorker = new Map<string, Awaited<ReturnType<typeof open>>>();
  for (let i = 0; i < TRIES_MAX && byWorker.size < WORKER_COUNT; i += 1) {
    const newcomer = await open();
    if (byWorker.has(newcomer.worker)) await newcomer.client.close();
    else byWorker.set(newcomer.worker, newcomer);
  }
  expect(byWorker.size).toBe(WORKER_COUNT);
  return [...byWorker.values()];
}

async function tlsOfWorkers(): Promise<Tls[]> {
  const health = await (await fetch(`${server.admin}/health`)).json();
  const { workers } = health as { workers: { health: { edge: { tls: Tls } } }[] };
  return workers.map((worker) => worker.health.edge.tls);
}

async function metric(name: string): Promise<string[]> {
  const text = await (await fetch(`${server.admin}/metrics`)).text();
  return text.split("\n").filter((line) => line.startsWith(`${name}{`));
}

beforeAll(async () => {
  nats = await startTestNats(1);
  put(authority.issue("/CN=first"));
  const tls = { TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key };
  const bus = { NATS_URL: nats.urls.join(","), SHARD_COUNT: "1", LOG_LEVEL: "error" };
  server = await startServer({ env: { ...bus, ...tls, WORKERS: String(WORKER_COUNT) } });
}, 120_000);

afterAll(async () => {
  for (const { socket } of clients) socket.terminate();
  await server?.close();
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test("WORKERS: a new certificate is served by each worker, and nobody is disconnected", async () => {
  const before = await openAtEach();
  expect(before.map(({ name }) => name)).toEqual(["first", "first"]);
  const joined = await Promise.all(before.map(({ client }) => client.join("live:tls")));

  // Half of a pair: each goes on with the one before, and says so.
  const second = authority.issue("/CN=second");
  writeFileSync(files.cert, readFileSync(second.cert));
  const haveTrouble = async () => (await tlsOfWorkers()).every(({ trouble }) => trouble !== "");
  await vi.waitUntil(haveTrouble, { timeout: 20_000, interval: 100 });
  expect((await openAtEach()).map(({ name }) => name)).toEqual(["first", "first"]);

  put(second);
  const haveLoaded = async () => (await tlsOfWorkers()).every(({ reloads }) => reloads === 1);
  await vi.waitUntil(haveLoaded, { timeout: 20_000, interval: 100 });
  expect((await tlsOfWorkers()).map(({ trouble }) => trouble)).toEqual(["", ""]);
  expect((await openAtEach()).map(({ name }) => name)).toEqual(["second", "second"]);

  // The parent's /metrics has one series of each worker.
  const reloads = await metric("tidegate_certificate_reloads_total");
  expect(reloads.map((line) => line.split(" ").at(-1))).toEqual(["1", "1"]);
  expect(new Set(reloads).size).toBe(WORKER_COUNT);

  for (const { client } of before) client.publish({ room: "live:tls", payload: "still here" });
  for (const [i, { client }] of before.entries()) {
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    const alias = joined[i]?.roomAlias ?? 0;
    expect(await client.texts(alias, 2)).toEqual(["still here", "still here"]);
  }
}, 90_000);
