/**
 * Keys of tokens and files that hold them: what is refused at the start, and what is told.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SignJWT } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { openAccess } from "../../../controlplane/access/open-access.ts";
import { verifyByKey, verifyByKeySet } from "../../../controlplane/access/verify-token.ts";
import {
  type ControlPlaneOptions,
  validateControlPlaneOptions,
} from "../../../controlplane/options.ts";
import { CodedError } from "../../../proto/coded-error.ts";
import { FreshFiles } from "../../../proto/fresh-files.ts";
import { Authority, Issuer } from "./issue.ts";

const anyRules = { issuer: "", audience: "" };
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-keys-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test.each<[string, string]>([
  ["", "the secret has 0 bytes, needs 32"],
  ["short", "the secret has 5 bytes"],
  [new Issuer().privatePem, "holds a private key; give the public"],
  ["-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "no readable PEM public key"],
])("key file %j is refused: %s", (text, expected) => {
  expect(() => verifyByKey(text, anyRules)).toThrow(expected);
  expect(() => verifyByKey(text, anyRules)).toThrow("CONTROL_AUTH_JWT_KEY_FILE");
});

test.each<[unknown, string]>([
  ["no json", "is not JSON"],
  [[], 'must hold {"keys": […]}'],
  [{ keys: [] }, "with 1 to 64 keys"],
  [{ keys: Array.from({ length: 65 }, () => ({ kty: "OKP" })) }, "with 1 to 64 keys"],
  [{ keys: [null] }, "keys[0] is no key"],
  [{ keys: [{ kty: "OKP" }, {}] }, "keys[1] is no key"],
  [{ keys: [{ kty: "OKP", d: "x" }] }, "keys[0] is a private key"],
  [{ keys: [{ kty: "oct", k: "c2VjcmV0" }] }, "keys[0] is a secret"],
])("key set %j is refused: %s", (set, expected) => {
  const json = typeof set === "string" ? set : JSON.stringify(set);
  expect(() => verifyByKeySet(json, anyRules)).toThrow(expected);
  expect(() => verifyByKeySet(json, anyRules)).toThrow("CONTROL_AUTH_JWKS_FILE");
});

test("a secret takes HS256 alone; a public key takes no token signed with its own text", async () => {
  const secret = "s".repeat(40);
  const sign = (alg: string, key: Uint8Array) =>
    new SignJWT({ sub: "a" }).setProtectedHeader({ alg }).setExpirationTime("1h").sign(key);
  const verify = verifyByKey(secret, anyRules);
  expect(await verify(await sign("HS256", Buffer.from(secret)))).toMatchObject({ sub: "a" });
  await expect(verify(await sign("HS512", Buffer.from(secret)))).rejects.toThrow("refused");
  const { publicPem } = new Issuer();
  const confused = await sign("HS256", Buffer.from(publicPem));
  await expect(verifyByKey(publicPem, anyRules)(confused)).rejects.toThrow("refused");
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k" };
  const bySet = verifyByKeySet(JSON.stringify({ keys: [jwk] }), anyRules);
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  await expect(bySet(await sign("HS256", Buffer.from(pem)))).rejects.toThrow("refused");
});

test("files that are missing or do not belong together end the start, by name", async () => {
  const folder = newFolder();
  const [one, two] = [new Authority(folder, "one"), new Authority(folder, "two")];
  const [own, other] = [one.issue("/CN=a"), two.issue("/CN=b")];
  const none = path.join(folder, "none.pem");
  const empty = path.join(folder, "empty.pem");
  writeFileSync(empty, "");
  const cases: [Partial<ControlPlaneOptions>, string][] = [
    [{ authJwtKeyFile: none }, "none.pem can not be read"],
    [{ authJwksFile: folder }, "can not be read"],
    [{ tlsCertFile: own.cert, tlsKeyFile: none }, "none.pem can not be read"],
    [{ tlsCertFile: own.cert, tlsKeyFile: other.key }, "can not be used"],
    [{ tlsCertFile: empty, tlsKeyFile: own.key }, "can not be used"],
    [{ tlsCertFile: own.cert, tlsKeyFile: own.key, tlsCaFile: empty }, "can not be used"],
  ];
  for (const [partial, text] of cases) {
    const opening = openAccess(validateControlPlaneOptions(partial), silent);
    await expect(opening).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await expect(opening).rejects.toThrow(text);
  }
});

test("fresh files: each change once, together; what is bad or gone leaves the last good one", () => {
  const folder = newFolder();
  const files = ["a", "b"].map((name) => path.join(folder, name));
  const [a = "", b = ""] = files;
  const write = (file: string, text: string) => writeFileSync(file, text);
  write(a, "1");
  write(b, "1");
  const told: string[] = [];
  const log = { ...silent, error: (fields: object) => void told.push(JSON.stringify(fields)) };
  const fresh = new FreshFiles<string>(
    files,
    (texts) => {
      if (new Set(texts).size > 1) throw new CodedError("OPTION_INVALID", "they differ");
      return texts[0] ?? "";
    },
    log,
  );
  onTestFinished(() => fresh.stop());
  const seen: string[] = [];
  fresh.follow((value) => seen.push(value));
  fresh.refresh();
  write(a, "22");
  fresh.refresh();
  fresh.refresh();
  expect([fresh.value, told.length]).toEqual(["1", 1]);
  expect(told[0]).toContain("they differ");
  write(b, "22");
  fresh.refresh();
  expect([fresh.value, seen]).toEqual(["22", ["22"]]);
  unlinkSync(b);
  fresh.refresh();
  expect([fresh.value, told.length]).toEqual(["22", 2]);
  write(a, "333");
  write(b, "333");
  fresh.refresh();
  expect(seen).toEqual(["22", "333"]);
});
