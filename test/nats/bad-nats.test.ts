/**
 * A NATS that can not be used: refused at the start, with what is wrong and never a secret.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { freePorts } from "../../deploy/nats/node.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";

const passwords = { gateway: "gateway-pa55word", controlplane: "controlplane-pa55word" };

async function startSecured(): Promise<NatsCluster> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-bad-"));
  const file = path.resolve(import.meta.dirname, "../../deploy/nats/nats.conf");
  // The shipped file, its secrets filled in; addresses and store come from the node's own lines.
  process.env.TIDEGATE_GATEWAY_PASSWORD = passwords.gateway;
  process.env.TIDEGATE_CONTROLPLANE_PASSWORD = passwords.controlplane;
  const binary = findNatsServer(process.env.NATS_SERVER ?? "", console.error);
  const nats = await startNats(binary, folder, 1, { base: file });
  onTestFinished(async () => {
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return nats;
}

async function refusal(env: Record<string, string>): Promise<string> {
  try {
    const server = await startServer({ env });
    await server.close();
    return "it started";
  } catch (error) {
    return String(error);
  }
}

test("nats.conf: gateway and control plane do their work with their own users", async () => {
  const nats = await startSecured();
  const url = { NATS_URL: nats.urls.join(",") };
  const servers: Server[] = [];
  for (const [part, password] of Object.entries(passwords)) {
    servers.push(
      await startServer({
        env: { ...url, PARTS: part, NATS_USER: part, NATS_PASSWORD: password },
      }),
    );
  }
  onTestFinished(async () => {
    for (const server of servers) await server.close();
  });
  const client = await RawClient.open(servers[0]?.port ?? 0);
  const { roomAlias } = await client.join("chat:secured");
  await client.ack(client.publish({ room: "chat:secured", seq: 1, payload: "stored" }));
  client.publish({ requestId: 0, room: "chat:secured", seq: 2, payload: "refused" });
  expect(await client.texts(roomAlias, 1)).toEqual(["stored"]);
  const requestId = client.nextId();
  const target = { $case: "room" as const, value: "chat:secured" };
  client.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 10 } });
  const page = await client.next("historyPage");
  expect(page.messages).toHaveLength(1);
  client.socket.terminate();
}, 60_000);

test("start: wrong credentials are refused by name, and never printed", async () => {
  const nats = await startSecured();
  const NATS_URL = nats.urls.join(",");
  const wrong = await refusal({ NATS_URL, NATS_USER: "gateway", NATS_PASSWORD: "wr0ng-secret" });
  expect(wrong).toContain("TOKEN_INVALID");
  expect(wrong).not.toContain("wr0ng-secret");
  const inUrl = await refusal({ NATS_URL: NATS_URL.replace("//", "//gateway:wr0ng-secret@") });
  expect(inUrl).toContain("TOKEN_INVALID");
  expect(inUrl).not.toContain("wr0ng-secret");
}, 60_000);

test("start: a NATS that does not answer is named", async () => {
  const [port] = await freePorts(1);
  const text = await refusal({ NATS_URL: `nats://127.0.0.1:${port}` });
  expect(text).toContain("UNAVAILABLE");
  expect(text).toContain(`127.0.0.1:${port}`);
}, 60_000);
