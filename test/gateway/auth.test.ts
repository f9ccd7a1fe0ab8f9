/** Authentication: which tokens become which identities, and which files and tokens are refused. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { authenticateJwt, authenticateNone, authenticateStatic } from "../../gateway/auth.ts";
import { Action, ALL_ACTIONS, GRANT_COUNT_MAX, makeIdentity } from "../../gateway/identity.ts";

const everything = [{ rooms: "*", actions: ALL_ACTIONS }];
const token = "a-long-random-string-1";
const file = (...tokens: unknown[]) => JSON.stringify({ tokens });
const anyone = { issuer: "", audience: "" };

test("authenticateNone: everybody is anonymous in tenant default, and may do everything", async () => {
  const identity = await authenticateNone()("whatever");
  const expected = { tenant: "default", user: "", grants: everything, isAnonymous: true };
  expect(identity).toEqual(makeIdentity(expected));
});

describe("authenticateStatic", () => {
  test("an entry with a token alone has the defaults", async () => {
    const identity = await authenticateStatic(file({ token }))(token);
    expect(identity).toEqual(makeIdentity({ tenant: "default", user: "", grants: everything }));
  });

  test("every field is taken, and no token is taken for another", async () => {
    const grants = [
      { rooms: "chat:*", can: ["join", "publish"] },
      { rooms: "live:a", can: [] },
    ];
    const other = "a-long-random-string-2";
    const authenticate = authenticateStatic(
      file({ token, tenant: "acme", user: "Änna 1", grants }, { token: other, user: "b" }),
    );
    expect(await authenticate(token)).toEqual(
      makeIdentity({
        tenant: "acme",
        user: "Änna 1",
        grants: [
          { rooms: "chat:*", actions: Action.JOIN | Action.PUBLISH },
          { rooms: "live:a", actions: 0 },
        ],
      }),
    );
    expect((await authenticate(other)).user).toBe("b");
    for (const wrong of ["", token.slice(1), `${token} `, token.toUpperCase(), "tokens"]) {
      expect(() => authenticate(wrong)).toThrow("[TOKEN_INVALID]");
      expect(() => authenticate(wrong)).not.toThrow(token);
    }
  });

  test.each([
    ["nothing", "", "not JSON"],
    ["a list", "[]", '{"tokens"'],
    ["null", "null", '{"tokens"'],
    ["tokens that are no list", '{"tokens": {}}', '{"tokens"'],
    ["an entry that is no object", file("x"), '{"tokens"'],
    ["an entry without a token", file({}), "tokens[0].token"],
    ["a short token", file({ token: "x".repeat(15) }), "tokens[0].token"],
    ["the same token twice", file({ token }, { token, user: "b" }), "tokens[1].token"],
    ["a bad tenant", file({ token, tenant: "Acme" }), "tokens[0].tenant"],
    ["a tenant that is no text", file({ token, tenant: 5 }), "tokens[0].tenant"],
    ["a user of 129 bytes", file({ token, user: "x".repeat(129) }), "tokens[0].user"],
    ["a user of 65 two-byte letters", file({ token, user: "é".repeat(65) }), "tokens[0].user"],
    ["a user with a control character", file({ token, user: "a\u0000b" }), "tokens[0].user"],
    ["a user that is no text", file({ token, user: { a: 1 } }), "tokens[0].user"],
    ["grants that are no list", file({ token, grants: "*" }), "tokens[0].grants"],
    ["a grant without rooms", file({ token, grants: [{ can: [] }] }), "grants[0].rooms"],
    ["a grant that is null", file({ token, grants: [null] }), "grants[0].rooms"],
    ["a can that is no list", file({ token, grants: [{ rooms: "*", can: "join" }] }), "[0].can"],
    ["a grant without can", file({ token, grants: [{ rooms: "*" }] }), "[0].can"],
    ["an unknown action", file({ token, grants: [{ rooms: "*", can: ["fly"] }] }), '"fly"'],
    [
      "too many grants",
      file({ token, grants: Array(GRANT_COUNT_MAX + 1).fill({ rooms: "*", can: [] }) }),
      "tokens[0].grants",
    ],
  ])("refuses a file with %s, naming the place", (_name, json, place) => {
    expect(() => authenticateStatic(json)).toThrow("[OPTION_INVALID]");
    expect(() => authenticateStatic(json)).toThrow(place);
  });
});

describe("authenticateJwt", () => {
  const secret = randomBytes(32).toString("hex");
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const privatePem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const nowS = Math.floor(Date.now() / 1000);
  const good = { sub: "anna", exp: nowS + 60 };

  function signed(
    claims: Record<string, unknown>,
    algorithm: "HS256" | "EdDSA" | "HS512" = "HS256",
    key: Parameters<SignJWT["sign"]>[0] = Buffer.from(secret),
  ): Promise<string> {
    return new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(key);
  }

  function unsigned(header: object, claims: object): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    return `${part(header)}.${part(claims)}.`;
  }

  test("HS256 and EdDSA: claims become the identity", async () => {
    const grants = [{ rooms: "chat:*", can: ["join"] }];
    const claims = { ...good, tenant: "acme", grants };
    const expected = {
      tenant: "acme",
      user: "anna",
      grants: [{ rooms: "chat:*", actions: Action.JOIN }],
    };
    const shared = authenticateJwt(secret, anyone);
    expect(await shared(await signed(claims))).toMatchObject(expected);
    const keyed = authenticateJwt(publicPem, anyone);
    expect(await keyed(await signed(claims, "EdDSA", privateKey))).toMatchObject(expected);
    expect(await shared(await signed(good))).toMatchObject({
      tenant: "default",
      user: "anna",
      grants: everything,
    });
  });

  test("a secret's surrounding space and newline do not count", async () => {
    const authenticate = authenticateJwt(`${secret}\n`, anyone);
    expect((await authenticate(await signed(good))).user).toBe("anna");
  });

  const wrong: Record<string, () => string | Promise<string>> = {
    "no token": () => "",
    "no JWT": () => "a.b.c",
    "alg none": () => unsigned({ alg: "none" }, good),
    "alg None": () => unsigned({ alg: "None" }, good),
    "no alg": () => unsigned({}, good),
    "another secret": () => signed(good, "HS256", randomBytes(32)),
    "another hash": () => signed(good, "HS512", Buffer.from(secret.repeat(2))),
    "an EdDSA signature": () => signed(good, "EdDSA", privateKey),
    expired: () => signed({ ...good, exp: nowS - 31 }),
    "not yet valid": () => signed({ ...good, nbf: nowS + 60 }),
    "no exp": () => signed({ sub: "anna" }),
    "exp as text": () => signed({ ...good, exp: "never" }),
    "no sub": () => signed({ exp: nowS + 60 }),
    "sub as a number": () => signed({ ...good, sub: 5 }),
    "a huge sub": () => signed({ ...good, sub: "x".repeat(129) }),
    "a bad tenant": () => signed({ ...good, tenant: "a.b" }),
    "bad grants": () => signed({ ...good, grants: "all" }),
    "an unknown action": () => signed({ ...good, grants: [{ rooms: "*", can: ["root"] }] }),
    "a cut signature": async () => (await signed(good)).slice(0, -2),
    "changed claims": async () => {
      const [header, , signature] = (await signed(good)).split(".");
      const claims = Buffer.from(JSON.stringify({ ...good, sub: "root" })).toString("base64url");
      return `${header}.${claims}.${signature}`;
    },
  };

  test.each(Object.keys(wrong))("HS256 refuses: %s", async (name) => {
    const authenticate = authenticateJwt(secret, anyone);
    const given = await wrong[name]?.();
    await expect(authenticate(given ?? "")).rejects.toMatchObject({ code: "TOKEN_INVALID" });
  });

  test("EdDSA refuses a token signed by HMAC with the public key as the secret", async () => {
    const authenticate = authenticateJwt(publicPem, anyone);
    for (const secretText of [publicPem, publicPem.trim()]) {
      const confused = await signed(good, "HS256", Buffer.from(secretText));
      await expect(authenticate(confused)).rejects.toMatchObject({ code: "TOKEN_INVALID" });
    }
    const foreign = await signed(good, "EdDSA", generateKeyPairSync("ed25519").privateKey);
    await expect(authenticate(foreign)).rejects.toMatchObject({ code: "TOKEN_INVALID" });
  });

  test("issuer and audience are checked when they are set", async () => {
    const authenticate = authenticateJwt(secret, { issuer: "https://id", audience: "rooms" });
    const right = { ...good, iss: "https://id", aud: ["other", "rooms"] };
    expect((await authenticate(await signed(right))).user).toBe("anna");
    for (const claims of [good, { ...right, iss: "https://evil" }, { ...right, aud: "other" }]) {
      const given = await signed(claims);
      await expect(authenticate(given)).rejects.toMatchObject({ code: "TOKEN_INVALID" });
    }
  });

  test("clocks may differ by 30 s", async () => {
    const authenticate = authenticateJwt(secret, anyone);
    const late = await signed({ ...good, exp: Math.floor(Date.now() / 1000) - 20 });
    expect((await authenticate(late)).user).toBe("anna");
  });

  const rsaKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
  test.each([
    ["a private key", privatePem, "private key"],
    ["a short secret", "x".repeat(31), "31 bytes"],
    ["nothing", "", "0 bytes"],
    ["an RSA key", rsaKey.export({ type: "spki", format: "pem" }).toString(), "rsa"],
    ["a broken key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no readable"],
  ])("refuses as a key: %s", (_name, keyText, reason) => {
    expect(() => authenticateJwt(keyText, anyone)).toThrow("[OPTION_INVALID]");
    expect(() => authenticateJwt(keyText, anyone)).toThrow(reason);
  });
});
