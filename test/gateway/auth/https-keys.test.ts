/**
 * An issuer behind real TLS, of an authority that only NODE_EXTRA_CA_CERTS knows: its keys are
 * taken, rotated, and the connections of a key that is gone are told.
 */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { RemoteKeys } from "../../../gateway/auth/remote-keys.ts";
import { Authority } from "../../controlplane/access/issue.ts";
import { startServer } from "../../start-server.ts";
import { RawClient } from "../raw-client.ts";
import { type IssuerKey, issuerKey, keySet, nowS, sign } from "./tokens.ts";

const good = { sub: "anna", exp: nowS() + 3600 };
const [old, next] = [issuerKey("EdDSA", "old"), issuerKey("ES256", "next")];
let folder: string;
let authority: Authority;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tidegate-issuer-"));
  authority = new Authority(folder, "issuer-ca");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An issuer whose keys can be changed. */
async function openIssuer() {
  const files = authority.issue("/CN=issuer");
  const issuer = { keys: [old] as IssuerKey[], url: "" };
  const options = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
  const server = createServer(options, (_request, response) => response.end(keySet(issuer.keys)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  issuer.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return issuer;
}

test("an authority that nobody vouches for: no keys, and /health would say why", async () => {
  const { url } = await openIssuer();
  const keys = new RemoteKeys(url, { debug() {}, info() {}, warn() {}, error() {} });
  onTestFinished(() => keys.close());
  expect([await keys.renew(), keys.status().count]).toEqual([false, 0]);
  expect(keys.status().trouble).toMatch(/certificate/i);
});

test("a rotation: the new key's tokens come in, the old key's are told, and go on with another", async () => {
  const issuer = await openIssuer();
  const server = await startServer({
    env: { AUTH: "jwt", AUTH_JWKS_URL: issuer.url, NODE_EXTRA_CA_CERTS: authority.ca },
  });
  onTestFinished(() => server.close());
  const before = await RawClient.open(server.port, { token: await sign(old, good) });
  issuer.keys = [next];
  const token = await sign(next, good);
  const login = async () => {
    const client = new RawClient(server.port);
    await client.opened();
    client.hello({ token });
    await client.nextCount(1, () => true);
    client.socket.terminate();
    return client.frames[0]?.$case;
  };
  // The issuer is asked once in 5 s at most; until then the key is not known yet.
  await expect.poll(login, { timeout: 20_000, interval: 250 }).toBe("welcome");
  expect((await before.next("tokenExpiring")).revoked).toBe(false);
  before.send({ $case: "refresh", value: { requestId: 7, token } });
  await before.next("refreshed", ({ requestId }) => requestId === 7);
  const again = new RawClient(server.port);
  await again.opened();
  again.hello({ token: await sign(old, good) });
  expect((await again.closed).reason).toMatch(/TOKEN_INVALID|UNAVAILABLE/);
  await before.close();
}, 60_000);
