/**
 * Secrets for tests: certificates by openssl, and NATS credentials signed by hand.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import path from "node:path";
import { nkeys } from "@nats-io/transport-node";

/** Paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority, and a certificate of it for 127.0.0.1 that server and client may both show. */
export function makeCertificates(folder: string, name: string): Certificates {
  const file = (kind: string) => path.join(folder, `${name}-${kind}.pem`);
  const files = { ca: file("ca"), cert: file("cert"), key: file("key") };
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const caKey = file("ca-key");
  const days = ["-days", "1"];
  openssl(
    "req",
    "-x509",
    ...ec,
    ...days,
    "-subj",
    `/CN=${name}`,
    "-keyout",
    caKey,
    "-out",
    files.ca,
  );
  const signed = ["-CA", files.ca, "-CAkey", caKey, "-addext", "subjectAltName=IP:127.0.0.1"];
  const own = ["-subj", "/CN=tidegate", "-keyout", files.key, "-out", files.cert];
  openssl("req", "-x509", ...ec, ...days, ...signed, ...own);
  return files;
}

/** A NATS in operator mode: its configuration, and the contents of a user's .creds file. */
export interface OperatorMode {
  readonly lines: string;
  readonly credentials: string;
}

/** Makes an operator, a system account, an account with JetStream, and a user of it. */
export function makeOperatorMode(): OperatorMode {
  const operator = nkeys.createOperator();
  const [system, account, user] = [
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const limits = {
    ...unlimited("subs", "data", "payload", "imports", "exports", "conn", "leaf"),
    wildcards: true,
  };
  const jetStream = unlimited("mem_storage", "disk_storage", "streams", "consumer");
  const operatorJwt = sign(operator, operator, "o", { type: "operator", version: 2 });
  const systemJwt = sign(operator, system, "sys", { type: "account", version: 2, limits });
  const accountJwt = sign(operator, account, "tidegate", {
    type: "account",
    version: 2,
    limits: { ...limits, ...jetStream },
  });
  const userLimits = unlimited("subs", "data", "payload");
  const userJwt = sign(account, user, "gateway", { type: "user", version: 2, ...userLimits });
  const seed = Buffer.from(user.getSeed()).toString();
  return {
    lines: [
      `operator: ${operatorJwt}`,
      `system_account: ${system.getPublicKey()}`,
      "resolver: MEMORY",
      `resolver_preload: { ${system.getPublicKey()}: ${systemJwt}`,
      `  ${account.getPublicKey()}: ${accountJwt} }`,
      "",
    ].join("\n"),
    credentials:
      `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n` +
      `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  };
}

function unlimited<Name extends string>(...names: Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, -1])) as Record<Name, number>;
}

function sign(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, name: string, nats: object): string {
  const claims = {
    jti: createHash("sha256").update(subject.getPublicKey()).digest("hex"),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats,
  };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode(claims)}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString("base64url")}`;
}
