/** Tokens, flags and version gates of a real server, as the SDK's users meet them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Client } from "../../sdk/typescript/client.ts";
import { connect } from "../../sdk/typescript/connect.ts";
import type { TidegateError } from "../../sdk/typescript/error.ts";
import { Flags } from "../../sdk/typescript/flags.ts";
import type { ConnectOptions } from "../../sdk/typescript/options.ts";
import { runCli } from "../cli/run-cli.ts";
import { nowS, signWithSecret } from "../gateway/auth/tokens.ts";
import { type Server, startServer } from "../start-server.ts";
import { statusOf } from "./scene.ts";

let server: Server;
const folder = mkdtempSync(path.join(tmpdir(), "tidegate-edge-"));
const secret = "a secret of more than thirty-two bytes";

beforeAll(async () => {
  const file = path.join(folder, "secret");
  writeFileSync(file, secret);
  server = await startServer({ env: { AUTH: "jwt", AUTH_JWT_KEY_FILE: file } });
}, 60_000);
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = async (args: string[], input = "") => {
  const ended = await runCli(args, { env: { TIDEGATE_CONTROL: server.grpc }, input });
  expect(ended.code, ended.stderr).toBe(0);
  return ended.stdout;
};
const tokenFor = (user: string, claims: object = {}) =>
  signWithSecret(secret, { sub: user, exp: nowS() + 3600, ...claims });

async function open(options: Partial<ConnectOptions>): Promise<Client> {
  const client = await connect(server.url, { ...options, codec: undefined });
  onTestFinished(() => client.close());
  return client;
}

const idOf = ({ status }: Client) => (status.state === "open" ? status.connectionId : "");

test("a token that ends is renewed on the open connection, and holds", async () => {
  let askedCount = 0;
  const { promise: renewed, resolve } = Promise.withResolvers<void>();
  const token = async () => {
    askedCount += 1;
    if (askedCount === 2) resolve();
    return await tokenFor("ann", askedCount === 1 ? { exp: nowS() + 2 } : {});
  };
  const client = await open({ token });
  const connectionId = idOf(client);
  const room = await client.join("chat:tokens");
  await renewed;
  await room.publish(new Uint8Array(1)); // its answer comes after Refreshed
  expect([askedCount, idOf(client)]).toEqual([2, connectionId]);
});

test("a revoked token: who has another one stays, who has not is closed", async () => {
  let askedCount = 0;
  const { promise: renewed, resolve } = Promise.withResolvers<void>();
  const token = async () => {
    askedCount += 1;
    if (askedCount === 2) resolve();
    return await tokenFor("bob", { jti: `bob-${askedCount}` });
  };
  const one = await open({ token });
  const other = await open({ token: await tokenFor("bob", { jti: "bob-1" }) });
  const connectionId = idOf(one);
  const ended = statusOf(other as never, "closed");
  await run(["revocations", "create", "--token-id", "bob-1"]);
  expect((await ended).error?.code).toBe("TOKEN_REVOKED");
  await renewed;
  await one.publish("chat:tokens", new Uint8Array(1));
  expect([askedCount, idOf(one)]).toEqual([2, connectionId]);
  const refused = await connect(server.url, {
    token: await tokenFor("bob", { jti: "bob-1" }),
  }).catch((error: TidegateError) => error.code);
  expect(refused).toBe("TOKEN_REVOKED");
});

test("flags: values by who one is and what one says, live, and counted", async () => {
  const define = (hue: string) =>
    JSON.stringify({
      metadata: { client: true },
      flags: {
        hue: {
          ...{ state: "ENABLED", variants: { a: "grey", b: hue }, defaultVariant: "a" },
          targeting: { if: [{ "==": [{ var: "client.plan" }, "pro"] }, "b"] },
        },
      },
    });
  await run(["flags", "apply", "web", "-f", "-"], define("blue"));
  const [pro, free] = [new Flags(), new Flags()];
  const token = await tokenFor("cleo");
  const client = await open({ token, flags: pro, attributes: { plan: "pro" } });
  await open({ token, flags: free });
  expect([pro.value("hue", ""), free.value("hue", "")]).toEqual(["blue", "grey"]);
  expect(pro.get("hue")).toMatchObject({ variant: "b", reason: "TARGETING_MATCH" });
  expect([pro.isStale, pro.ageMs < 60_000]).toEqual([false, true]);
  const changed = new Promise((resolve) => pro.onChange(resolve));
  await run(["flags", "apply", "web", "-f", "-"], define("green"));
  expect([await changed, pro.value("hue", "")]).toEqual([["hue"], "green"]);
  const closed = statusOf(client as never, "closed");
  await client.close(); // tells what is not told yet
  await closed;
  expect(await run(["flags", "exposures"])).toMatch(/hue +b +3\n/);
});

test("a version gate: warned, then refused, with what is wanted", async () => {
  const gate = (action: string) =>
    JSON.stringify({
      ...{ name: "app-2", client: "app", required: ">=2.0.0", action },
      ...{ message: "Please update", downloadUrl: "https://example.com/get" },
    });
  const options = { token: await tokenFor("dan"), build: { name: "app", version: "1.0.0" } };
  const client = await open(options);
  const warned = new Promise((resolve) => client.onVersionMismatch(resolve));
  await run(["gates", "apply", "-f", "-"], gate("warn"));
  expect(await warned).toMatchObject({ action: "WARN", required: ">=2.0.0", gate: "app-2" });
  await client.publish("chat:tokens", new Uint8Array(1));
  const ended = statusOf(client as never, "closed");
  await run(["gates", "apply", "-f", "-"], gate("refuse"));
  const wanted = { action: "REFUSE", message: "Please update", version: "1.0.0" };
  expect((await ended).error).toMatchObject({ code: "VERSION_REFUSED", versionMismatch: wanted });
  const refused = await connect(server.url, options).catch((error: TidegateError) => error);
  expect(refused).toMatchObject({ code: "VERSION_REFUSED", versionMismatch: wanted });
  await open({ ...options, build: { name: "app", version: "2.0.0" } });
});
