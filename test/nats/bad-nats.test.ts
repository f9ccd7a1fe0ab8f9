/**
 * A NATS that can not be used: refused at the start, with what is wrong and what to do, and never a
 * secret.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server as TcpServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { freePorts } from "../../deploy/nats/node.ts";
import { refusal } from "./refusal.ts";
import { startTestNats, type TestNats, testNatsServer } from "./start-nats.ts";

/** A server with these lines in its configuration, instead of those of nats.conf. */
async function startWith(lines: string): Promise<TestNats> {
  const nats = await startTestNats(1, lines);
  onTestFinished(() => nats.stop());
  return nats;
}

async function listening(server: TcpServer): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Says these lines to whoever connects, and nothing else. */
function saying(text: string): Promise<string> {
  return listening(
    createServer((socket) => {
      socket.on("error", () => {}); // clients cut it when they have seen enough
      socket.write(text);
    }),
  );
}

test("start: a NATS that does not answer is named", async () => {
  const [port] = await freePorts(1);
  const text = await refusal({ NATS_URL: `nats://127.0.0.1:${port}` });
  expect(text).toContain("[UNAVAILABLE]");
  expect(text).toContain(`NATS at nats://127.0.0.1:${port} can not be reached`);
}, 60_000);

test("start: what is no NATS is told apart", async () => {
  const web = await listening(createHttpServer((_, response) => response.end("hello")));
  const http = await refusal({ NATS_URL: web });
  expect(http).toContain("[UNAVAILABLE]");
  expect(http).toContain(`something listens there, but it does not speak NATS`);
  const ssh = await refusal({ NATS_URL: await saying("SSH-2.0-OpenSSH_9.9\r\n") });
  expect(ssh).toContain("[BUS_UNSUITABLE]");
  expect(ssh).toContain("does not speak NATS");
}, 60_000);

test("start: a server before 2.12 is named with its version", async () => {
  const info = { server_id: "N", version: "2.11.9", headers: true, jetstream: true, proto: 1 };
  const server = createServer((socket) => {
    socket.on("error", () => {}); // as above
    socket.write(`INFO ${JSON.stringify({ ...info, max_payload: 1_048_576 })}\r\n`);
    socket.on("data", (bytes) => {
      if (bytes.includes("PING")) socket.write("PONG\r\n");
    });
  });
  const text = await refusal({ NATS_URL: await listening(server) });
  expect(text).toContain("[BUS_UNSUITABLE]");
  expect(text).toContain("is version 2.11.9; 2.12 or newer is needed");
}, 60_000);

test("start: a server or an account without JetStream is told what to set", async () => {
  const account = "accounts { A { users: [{ user: a, password: b }] } }";
  const lines = `${account}\n`;
  const nats = await startWith(lines);
  const text = await refusal({ NATS_URL: nats.urls.join(","), NATS_USER: "a", NATS_PASSWORD: "b" });
  expect(text).toContain("[BUS_UNSUITABLE]");
  expect(text).toContain("this account has no JetStream");
  const [port = 0] = await freePorts(1);
  const plain = await startPlain(port);
  onTestFinished(plain);
  const without = await refusal({ NATS_URL: `nats://127.0.0.1:${port}` });
  expect(without).toContain("[BUS_UNSUITABLE]");
  expect(without).toContain(`NATS at 127.0.0.1:${port} has no JetStream; start it with -js`);
}, 60_000);

test.each([
  ["publishing nothing", 'publish: { deny: ">" }', "publish"],
  ["our subjects read-only", 'publish: { deny: ["tg.>"] }', "publish tg.in.probe"],
  ["durable publishes only", 'publish: { deny: ["tg.out.>"] }', "publish tg.out.probe"],
  ["writing only", 'subscribe: { deny: ["tg.out.>"] }', "subscription tg.out.probe"],
  ["no keys", 'publish: { deny: ["$KV.>"] }', "publish $KV."],
  ["no markers", 'publish: { deny: ["tg.seal.>"] }', "publish tg.seal.probe"],
  ["no streams", 'publish: { deny: ["$JS.API.STREAM.CREATE.*"] }', "publish $JS.API.STREAM.CREATE"],
])(
  "start: a user who is allowed %s is refused with what he lacks",
  async (_name, rule, named) => {
    const users = `users: [{ user: a, password: b, permissions: { ${rule} } }]`;
    const nats = await startWith(`accounts { A { jetstream: enabled, ${users} } }\n`);
    const text = await refusal({
      NATS_URL: nats.urls.join(","),
      NATS_USER: "a",
      NATS_PASSWORD: "b",
    });
    expect(text).toContain("[BUS_ACCESS_DENIED] the NATS user lacks permissions: ");
    expect(text).toContain(named);
  },
  60_000,
);

test("start: three copies on one server, and storage that is not there, are refused", async () => {
  const nats = await startWith("max_payload: 2MB\n");
  const NATS_URL = nats.urls.join(",");
  const copies = await refusal({ NATS_URL, REPLICA_COUNT: "3" });
  expect(copies).toContain("[BUS_UNSUITABLE]");
  expect(copies).toContain("REPLICA_COUNT copies need a cluster");
  const large = await refusal({ NATS_URL, SHARD_BYTES_MAX: String(16 * 1024 ** 4) });
  expect(large).toContain("[BUS_UNSUITABLE]");
  expect(large).toContain("SHARD_COUNT × SHARD_BYTES_MAX");
}, 60_000);

/** A nats-server without JetStream; returns what ends it. */
async function startPlain(port: number): Promise<() => Promise<void>> {
  const child = spawn(testNatsServer(), ["-a", "127.0.0.1", "-p", String(port)], { stdio: "pipe" });
  const exited = once(child, "exit");
  for await (const text of child.stderr.setEncoding("utf8")) {
    if (String(text).includes("Server is ready")) break;
  }
  return async () => {
    child.kill("SIGKILL");
    await exited;
  };
}
