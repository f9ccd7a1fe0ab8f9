/** JSON Web Tokens: every algorithm, claims to identities, and tokens that confuse. */
import { createHmac, generateKeyPairSync, randomBytes, sign as signBytes } from "node:crypto";
import { CompactEncrypt } from "jose";
import { describe, expect, test } from "vitest";
import type { Authenticate } from "../../../gateway/auth/authenticate.ts";
import { CLAIM_NAMES, readClaimNames } from "../../../gateway/auth/claims.ts";
import { authenticateJwt, type JwtAuthRules } from "../../../gateway/auth/jwt.ts";
import { heldKeys } from "../../../gateway/auth/key-source.ts";
import { systemClock } from "../../../gateway/clock.ts";
import { Action, DEFAULT_ACTIONS, makeIdentity } from "../../../gateway/identity.ts";
import { JWT_CLOCK_TOLERANCE_S, readJwtKeys, readKeySet } from "../../../proto/jwt-key.ts";
import { issuerKey, keySet, nowS, pemOf, sign, signWithSecret, unsigned } from "./tokens.ts";

const everything = [{ rooms: "*", actions: DEFAULT_ACTIONS }];
const rules: JwtAuthRules = { issuer: "", audience: "", claims: CLAIM_NAMES };
const secret = randomBytes(32).toString("hex"); // 64 bytes: enough for HS512
const eddsa = issuerKey("EdDSA");
const good = { sub: "anna", exp: nowS() + 3600 };

function byFile(keyText: string, given: Partial<JwtAuthRules> = {}): Authenticate {
  const keys = readJwtKeys(keyText, "AUTH_JWT_KEY_FILE");
  return authenticateJwt(
    heldKeys({ value: keys, follow() {}, stop() {} }),
    { ...rules, ...given },
    systemClock,
  );
}

function bySet(json: string): Authenticate {
  const keys = readKeySet(json, "AUTH_JWKS_FILE");
  return authenticateJwt(heldKeys({ value: keys, follow() {}, stop() {} }), rules, systemClock);
}

describe("algorithms", () => {
  test.each(["HS256", "HS384", "HS512"])("a secret takes %s", async (algorithm) => {
    const token = await signWithSecret(secret, good, algorithm);
    expect(await byFile(`${secret}\n`)(token)).toMatchObject({ user: "anna" });
  });

  test.each(["EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS512"])(
    "a public key takes %s, as PEM and in a set",
    async (algorithm) => {
      const key = issuerKey(algorithm);
      const token = await sign(key, good);
      expect(await byFile(pemOf(key))(token)).toMatchObject({ user: "anna" });
      expect(await bySet(keySet([eddsa, key]))(token)).toMatchObject({ user: "anna" });
    },
  );

  test("a file of several keys takes tokens of each: the old key and the new", async () => {
    const [old, next, other] = [issuerKey("EdDSA", ""), issuerKey("EdDSA", ""), issuerKey("EdDSA")];
    const authenticate = byFile(`${pemOf(old)}${pemOf(next)}`);
    for (const key of [old, next]) {
      expect(await authenticate(await sign(key, good))).toMatchObject({ user: "anna" });
    }
    await expect(authenticate(await sign(other, good))).rejects.toThrow("TOKEN_INVALID");
  });
});

describe("claims", () => {
  test("all of them become the identity; what is not said has its default", async () => {
    const authenticate = byFile(secret);
    const claims = {
      ...good,
      ...{ tenant: "acme", grants: [{ rooms: "chat:*", can: ["join"] }], jti: "t-1", iat: 1000 },
      attributes: { plan: "pro" },
    };
    expect(await authenticate(await signWithSecret(secret, claims))).toEqual({
      anchor: readJwtKeys(secret, "x")[0]?.print,
      ...{ tenant: "acme", user: "anna", attributes: { plan: "pro" }, isAnonymous: false },
      grants: [{ rooms: "chat:*", actions: Action.JOIN }],
      ...{ tokenId: "t-1", issuedAtS: 1000, expiresAtS: good.exp },
    });
    const plain = {
      anchor: readJwtKeys(secret, "x")[0]?.print ?? "",
      tenant: "default",
      user: "anna",
      grants: everything,
      expiresAtS: good.exp,
    };
    expect(await authenticate(await signWithSecret(secret, good))).toEqual(makeIdentity(plain));
  });

  test("an issuer's own names for them", async () => {
    const claims = readClaimNames(["tenant=org_id", "user=https://id.example/name"]);
    const authenticate = byFile(secret, { claims });
    const own = { ...good, org_id: "acme", "https://id.example/name": "bob", tenant: "x" };
    const identity = await authenticate(await signWithSecret(secret, own));
    expect(identity).toMatchObject({ tenant: "acme", user: "bob" });
    const without = authenticate(await signWithSecret(secret, good));
    await expect(without).rejects.toThrow('"https://id.example/name" names no user');
    for (const entry of ["org=x", "tenant", "tenant=", "=x", "constructor=x"]) {
      expect(() => readClaimNames([entry])).toThrow("AUTH_JWT_CLAIMS");
    }
  });

  test("issuer and audience are checked when they are set", async () => {
    const authenticate = byFile(secret, { issuer: "https://id", audience: "rooms" });
    const right = { ...good, iss: "https://id", aud: ["other", "rooms"] };
    expect((await authenticate(await signWithSecret(secret, right))).user).toBe("anna");
    for (const claims of [good, { ...right, iss: "https://evil" }, { ...right, aud: "other" }]) {
      const given = await signWithSecret(secret, claims);
      await expect(authenticate(given)).rejects.toMatchObject({ code: "TOKEN_INVALID" });
    }
  });

  test("clocks may be a minute off, either way, and no more", async () => {
    const clock = { nowUs: () => 5e15 };
    const keys = readJwtKeys(secret, "x");
    const authenticate = authenticateJwt(
      heldKeys({ value: keys, follow() {}, stop() {} }),
      rules,
      clock,
    );
    const at = (exp: number, nbf: number) =>
      signWithSecret(secret, { sub: "anna", exp: 5e9 + exp, nbf: 5e9 + nbf, iat: 5e9 + nbf });
    const isRefused = async (token: Promise<string>) => authenticate(await token);
    const tolerance = JWT_CLOCK_TOLERANCE_S;
    expect(await isRefused(at(1 - tolerance, -600))).toMatchObject({ user: "anna" });
    expect(await isRefused(at(600, tolerance))).toMatchObject({ user: "anna" });
    await expect(isRefused(at(-tolerance, -600))).rejects.toMatchObject({ code: "TOKEN_EXPIRED" });
    const early = isRefused(at(600, tolerance + 1));
    await expect(early).rejects.toMatchObject({ code: "TOKEN_INVALID" });
  });
});

describe("token confusion", () => {
  const rsa = issuerKey("RS256");
  const attacker = generateKeyPairSync("ed25519");
  const jwk = { ...attacker.publicKey.export({ format: "jwk" }), kid: eddsa.kid };
  const foreign = { ...eddsa, ...attacker };
  const edited = async () => {
    const [header, , signature] = (await sign(eddsa, good)).split(".");
    const claims = Buffer.from(JSON.stringify({ ...good, sub: "root" })).toString("base64url");
    return `${header}.${claims}.${signature}`;
  };
  const byHand = (header: object) => {
    const body = unsigned({ alg: "EdDSA", ...header }, good).slice(0, -1);
    return `${body}.${signBytes(null, Buffer.from(body), eddsa.privateKey).toString("base64url")}`;
  };
  const hmacOf = (key: string | Buffer, header: object) => {
    const body = unsigned(header, good).slice(0, -1);
    return `${body}.${createHmac("sha256", key).update(body).digest("base64url")}`;
  };
  const raw = (issuer: typeof rsa) => issuer.publicKey.export({ type: "spki", format: "der" });

  const wrong: Record<string, () => string | Promise<string>> = {
    "no token": () => "",
    "no JWT": () => "a.b.c",
    "one dot": () => "a.b",
    "alg none": () => unsigned({ alg: "none" }, good),
    "alg None and the kid": () => unsigned({ alg: "None", kid: eddsa.kid }, good),
    "alg none with a signature": async () =>
      unsigned({ alg: "none" }, good, (await sign(eddsa, good)).split(".")[2]),
    "no alg": () => unsigned({}, good),
    "alg as a list": () => unsigned({ alg: ["EdDSA"] }, good),
    "HMAC with the public key's text": () => hmacOf(pemOf(eddsa), { alg: "HS256", kid: eddsa.kid }),
    "HMAC with the text, trimmed": () => hmacOf(pemOf(eddsa).trim(), { alg: "HS256" }),
    "HMAC with the RSA key's text": () => hmacOf(pemOf(rsa), { alg: "HS256", kid: rsa.kid }),
    "HMAC with the RSA key's bytes": () => hmacOf(raw(rsa), { alg: "HS256", kid: rsa.kid }),
    "an RSA signature for the Ed25519 key": () => sign({ ...rsa, kid: eddsa.kid }, good),
    "another's key under the same kid": () => sign(foreign, good),
    "another's key, given along as jwk": () => sign(foreign, good, { jwk }),
    "another's key, named by jku": () => sign(foreign, good, { jku: "http://127.0.0.1:1/jwks" }),
    "another's key, named by x5u": () => sign(foreign, good, { x5u: "http://127.0.0.1:1/x" }),
    "a kid that is a path": () => sign({ ...foreign, kid: "../../etc/passwd" }, good),
    "a kid that is a number": () => sign(foreign, good, { kid: 1 }),
    "a header that must be understood": () => byHand({ crit: ["x"], x: 1 }),
    "a payload that is not base64": () => byHand({ crit: ["b64"], b64: false }),
    "claims that were changed": edited,
    "a cut signature": async () => (await sign(eddsa, good)).slice(0, -2),
    "an encrypted token": () =>
      new CompactEncrypt(Buffer.from(JSON.stringify(good)))
        .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM", kid: rsa.kid })
        .encrypt(rsa.publicKey),
    "not yet valid": () => sign(eddsa, { ...good, nbf: nowS() + 120 }),
    "no exp": () => sign(eddsa, { sub: "anna" }),
    "exp as text": () => sign(eddsa, { ...good, exp: "never" }),
    "no sub": () => sign(eddsa, { exp: good.exp }),
    "sub as a number": () => sign(eddsa, { ...good, sub: 5 }),
    "an empty sub": () => sign(eddsa, { ...good, sub: "" }),
    "a sub with a control character": () => sign(eddsa, { ...good, sub: "a\nb" }),
    "a huge sub": () => sign(eddsa, { ...good, sub: "x".repeat(129) }),
    "a huge jti": () => sign(eddsa, { ...good, jti: "x".repeat(129) }),
    "jti as a list": () => sign(eddsa, { ...good, jti: ["x"] }),
    "iat as text": () => sign(eddsa, { ...good, iat: "now" }),
    "a bad tenant": () => sign(eddsa, { ...good, tenant: "a.b" }),
    "a tenant wildcard": () => sign(eddsa, { ...good, tenant: "*" }),
    "bad grants": () => sign(eddsa, { ...good, grants: "all" }),
    "an unknown action": () => sign(eddsa, { ...good, grants: [{ rooms: "*", can: ["root"] }] }),
    "bad attributes": () => sign(eddsa, { ...good, attributes: "pro" }),
    "a huge token": () => sign(eddsa, { ...good, more: "x".repeat(8192) }),
  };

  test("a token made by hand is good as long as its header asks for nothing", async () => {
    expect(await byFile(pemOf(eddsa))(byHand({}))).toMatchObject({ user: "anna" });
  });

  test.each(Object.keys(wrong))("refused by a key and by a set: %s", async (name) => {
    const given = (await wrong[name]?.()) ?? "";
    for (const authenticate of [byFile(pemOf(eddsa)), bySet(keySet([eddsa, rsa]))]) {
      await expect(authenticate(given)).rejects.toMatchObject({ code: "TOKEN_INVALID" });
    }
  });

  test.each([
    ["another secret", () => signWithSecret(randomBytes(32), good)],
    ["an EdDSA signature", () => sign(eddsa, good)],
    ["alg none", () => unsigned({ alg: "none" }, good)],
  ])("refused by a secret: %s", async (_name, make) => {
    await expect(byFile(secret)(await make())).rejects.toMatchObject({ code: "TOKEN_INVALID" });
  });

  test("a secret of 32 bytes takes no HS512, which it is too short for", async () => {
    const short = "s".repeat(32);
    const token = await signWithSecret(short, good, "HS512");
    await expect(byFile(short)(token)).rejects.toMatchObject({ code: "TOKEN_INVALID" });
  });

  test("a token that has ended is told apart, unless it is forged too", async () => {
    const ended = { ...good, exp: nowS() - 600 };
    const authenticate = byFile(pemOf(eddsa));
    const answer = authenticate(await sign(eddsa, ended));
    await expect(answer).rejects.toMatchObject({ code: "TOKEN_EXPIRED" });
    const forged = authenticate(await sign(foreign, ended));
    await expect(forged).rejects.toMatchObject({ code: "TOKEN_INVALID" });
  });

  test("a refusal tells nothing of the token", async () => {
    const token = await sign(eddsa, { ...good, tenant: "A Secret Word" });
    const answer = Promise.resolve(byFile(pemOf(eddsa))(token));
    await expect(answer.catch(String)).resolves.not.toMatch(/Secret|eyJ/);
  });
});

describe("keys", () => {
  const privatePem = eddsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  const other = generateKeyPairSync("x25519").publicKey;
  test.each([
    ["a private key", privatePem, "private key"],
    ["a public and a private key", `${pemOf(eddsa)}${privatePem}`, "private key"],
    ["a short secret", "x".repeat(31), "31 bytes"],
    ["nothing", "", "0 bytes"],
    ["a small RSA key", small.export({ type: "spki", format: "pem" }).toString(), "1024 bits"],
    [
      "a key for something else",
      other.export({ type: "spki", format: "pem" }).toString(),
      "x25519",
    ],
    ["a broken key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no readable"],
    ["a cut key", pemOf(eddsa).slice(0, 60), "no readable"],
    ["65 keys", pemOf(eddsa).repeat(65), "more than 64"],
  ])("readJwtKeys refuses: %s", (_name, keyText, reason) => {
    expect(() => readJwtKeys(keyText, "AUTH_JWT_KEY_FILE")).toThrow("[OPTION_INVALID]");
    expect(() => readJwtKeys(keyText, "AUTH_JWT_KEY_FILE")).toThrow(reason);
  });

  test("readKeySet leaves out what it can not use, and refuses a set without anything else", () => {
    const [entry] = JSON.parse(keySet([eddsa])).keys;
    const useless = [
      { ...entry, use: "enc" },
      { ...entry, key_ops: ["encrypt"] },
      { ...entry, alg: "HS256" },
      { kty: "OKP", crv: "X9" },
      { kty: "new kind" },
    ];
    const read = (keys: unknown[]) => readKeySet(JSON.stringify({ keys }), "the set");
    expect(read([...useless, entry]).map(({ id }) => id)).toEqual([eddsa.kid]);
    for (const each of useless) expect(() => read([each])).toThrow("holds no key");
  });
});
