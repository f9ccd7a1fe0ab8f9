/**
 * Keys of an issuer, over real HTTP: rotation, and an issuer that is down, slow, huge or talks
 * nonsense.
 */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { Authenticate } from "../../../gateway/auth/authenticate.ts";
import { CLAIM_NAMES } from "../../../gateway/auth/claims.ts";
import { authenticateJwt } from "../../../gateway/auth/jwt.ts";
import {
  KEY_SET_BYTES_MAX,
  RemoteKeys,
  type RemoteKeyTimes,
} from "../../../gateway/auth/remote-keys.ts";
import { systemClock } from "../../../gateway/clock.ts";
import { issuerKey, keySet, nowS, sign } from "./tokens.ts";

const rules = { issuer: "", audience: "", claims: CLAIM_NAMES };
const good = { sub: "anna", exp: nowS() + 3600 };
const [old, next] = [issuerKey("EdDSA", "old"), issuerKey("ES256", "next")];

/** An issuer whose answer can be changed, and which counts the requests. */
class Issuer {
  readonly server: Server;
  requestCount = 0;
  answer: RequestListener = (_request, response) => void response.end(keySet([old]));

  constructor() {
    this.server = createServer((request, response) => {
      this.requestCount += 1;
      this.answer(request, response);
    });
  }

  async open(port = 0): Promise<string> {
    this.server.listen(port, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/jwks`;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

/** Long enough to be told apart from what a test waits for. */
const calm = { refreshMs: 3_600_000, retryMs: 3_600_000, apartMs: 0, timeoutMs: 5000 };

async function follow(times: Partial<RemoteKeyTimes> = {}) {
  const issuer = new Issuer();
  const url = await issuer.open();
  const logged: string[] = [];
  const note = (fields: object) => void logged.push(JSON.stringify(fields));
  const log = { debug() {}, info() {}, warn: note, error: note };
  const keys = new RemoteKeys(url, log, { ...calm, ...times });
  onTestFinished(async () => {
    keys.close();
    await issuer.close();
  });
  const authenticate = authenticateJwt(keys, rules, systemClock);
  return { issuer, url, keys, logged, authenticate };
}

/** "anna", or the code of the refusal. */
async function login(authenticate: Authenticate, token: string): Promise<string> {
  try {
    return (await authenticate(token)).user;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test("many tokens at once wait for one fetch, and the next ones for none", async () => {
  const { issuer, keys, authenticate } = await follow();
  const token = await sign(old, good);
  const answers = await Promise.all(Array.from({ length: 50 }, () => login(authenticate, token)));
  expect(new Set(answers)).toEqual(new Set(["anna"]));
  expect(await login(authenticate, token)).toBe("anna");
  expect(issuer.requestCount).toBe(1);
  expect(keys.status()).toMatchObject({ count: 1, trouble: "" });
});

test("rotation: a token of a new key fetches the set; the old key goes when it is gone", async () => {
  const { issuer, authenticate } = await follow();
  const tokens = [await sign(old, good), await sign(next, good)];
  const logins = () => Promise.all(tokens.map((token) => login(authenticate, token)));
  expect(await logins()).toEqual(["anna", "TOKEN_INVALID"]);
  issuer.answer = (_request, response) => void response.end(keySet([old, next]));
  expect(await logins()).toEqual(["anna", "anna"]);
  issuer.answer = (_request, response) => void response.end(keySet([next]));
  const unknown = await sign({ ...old, kid: "third" }, good);
  expect(await login(authenticate, unknown)).toBe("TOKEN_INVALID");
  expect(await logins()).toEqual(["TOKEN_INVALID", "anna"]);
});

test("tokens of unknown keys fetch once in a while, and are not called invalid meanwhile", async () => {
  const { issuer, authenticate } = await follow({ apartMs: 3_600_000 });
  expect(await login(authenticate, await sign(old, good))).toBe("anna");
  for (let i = 0; i < 20; i += 1) {
    const token = await sign({ ...old, kid: `made-up-${i}` }, good);
    // Its key may be newer than the set: SDKs come again after UNAVAILABLE.
    expect(await login(authenticate, token)).toBe("UNAVAILABLE");
  }
  expect(issuer.requestCount).toBe(1);
  expect(await login(authenticate, await sign(old, good))).toBe("anna");
});

test("the set is fetched again by itself, and what went wrong is told once", async () => {
  const { issuer, keys, logged } = await follow({ refreshMs: 5, retryMs: 5 });
  await keys.renew();
  const seen = async (count: number) => {
    const wanted = issuer.requestCount + count;
    await expect.poll(() => issuer.requestCount).toBeGreaterThanOrEqual(wanted);
  };
  await seen(2);
  issuer.answer = (_request, response) => void response.writeHead(500).end();
  await seen(3);
  expect(keys.keys().map(({ id }) => id)).toEqual(["old"]);
  expect(keys.status().trouble).toContain("500");
  expect(logged).toHaveLength(1);
  issuer.answer = (_request, response) => void response.end(keySet([next]));
  await expect.poll(() => keys.keys().map(({ id }) => id)).toEqual(["next"]);
  expect(keys.status().trouble).toBe("");
});

const endless: RequestListener = (_request, response) => {
  response.writeHead(200);
  const chunk = Buffer.alloc(64 * 1024, " ");
  const write = () => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once("drain", write);
  };
  write();
};

const bad: Record<string, { answer: RequestListener; trouble: string }> = {
  "is not JSON": {
    answer: (_request, response) => void response.end("<html>maintenance</html>"),
    trouble: "is not JSON",
  },
  "is empty": { answer: (_request, response) => void response.end(), trouble: "is not JSON" },
  "has no keys": {
    answer: (_request, response) => void response.end('{"keys":[]}'),
    trouble: "1 to 64 keys",
  },
  "has a private key": {
    answer: (_request, response) => void response.end(keySet([next], { d: "x" })),
    trouble: "is a private key",
  },
  "has a secret": {
    answer: (_request, response) => void response.end('{"keys":[{"kty":"oct","k":"c2Vj"}]}'),
    trouble: "is a secret",
  },
  "is an error": {
    answer: (_request, response) => void response.writeHead(503).end(keySet([next])),
    trouble: "status 503",
  },
  "is a redirect": {
    answer: (_request, response) =>
      void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    trouble: "redirect",
  },
  "is endless": { answer: endless, trouble: `more than ${KEY_SET_BYTES_MAX} bytes` },
  "is cut": {
    answer: (_request, response) => {
      response.writeHead(200, { "content-length": "5000" });
      response.write('{"keys":');
      setImmediate(() => response.destroy());
    },
    trouble: "terminated",
  },
  "never comes": { answer: () => {}, trouble: "no whole answer within 100 ms" },
  "stops in the middle": {
    answer: (_request, response) => void response.write('{"keys":'),
    trouble: "no whole answer within 100 ms",
  },
};

test.each(Object.keys(bad))("an answer that %s: the last good keys stay", async (name) => {
  const { answer, trouble } = bad[name] ?? { answer: () => {}, trouble: "?" };
  const { issuer, keys, logged, authenticate } = await follow({ timeoutMs: 100 });
  issuer.answer = answer;
  const token = await sign(old, good);
  expect(await login(authenticate, token)).toBe("UNAVAILABLE"); // never had any key
  expect(keys.status()).toMatchObject({ count: 0 });
  expect(keys.status().trouble).toContain(trouble);
  issuer.answer = (_request, response) => void response.end(keySet([old]));
  expect(await login(authenticate, token)).toBe("anna");
  issuer.answer = answer;
  expect(await login(authenticate, await sign(next, good))).toBe("UNAVAILABLE");
  expect(await login(authenticate, token)).toBe("anna");
  expect(keys.status().trouble).toContain(trouble);
  expect(logged.join()).not.toContain("eyJ");
});

test("an issuer that is down: the last good keys stay, and new ones come when it is back", async () => {
  const { issuer, url, keys, authenticate } = await follow();
  expect(await login(authenticate, await sign(old, good))).toBe("anna");
  await issuer.close();
  expect(await login(authenticate, await sign(next, good))).toBe("UNAVAILABLE");
  expect(await login(authenticate, await sign(old, good))).toBe("anna");
  expect(keys.status()).toMatchObject({ count: 1, trouble: expect.stringContaining("REFUSED") });
  issuer.answer = (_request, response) => void response.end(keySet([next]));
  await issuer.open(Number(new URL(url).port));
  expect(await login(authenticate, await sign(next, good))).toBe("anna");
});

test.each([
  "http://id.example.org/jwks",
  "https://user:word@id.example.org/jwks",
  "file:///etc/passwd",
  "id.example.org",
])("%s is refused: keys come by https, or from this machine", (url) => {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  expect(() => new RemoteKeys(url, log)).toThrow("[OPTION_INVALID] AUTH_JWKS_URL");
});
