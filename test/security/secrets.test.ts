/**
 * Nothing secret is told: a process is given secrets of every kind, meets good and bad ones of
 * clients and operators, and everything it says (log at its finest, errors, health, metrics, all
 * spans, audit, refusals) is searched for them.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { runProcess } from "../cli/run-cli.ts";
import { Authority, Issuer } from "../controlplane/access/issue.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { freePort } from "../nats/drain-tools.ts";
import { startTestNats, type TestNats } from "../nats/start-nats.ts";
import { type Server, startServer } from "../start-server.ts";
import { OtlpReceiver } from "../telemetry/otlp-receiver.ts";

/** What nobody may read, by what it is. */
const secrets = new Map<string, Buffer>();

function keep(name: string, value: string | Uint8Array): string {
  secrets.set(name, Buffer.from(value as string));
  return value.toString();
}

/** A random secret that has no other meaning. */
const random = (name: string) => keep(name, randomBytes(24).toString("base64url"));

/** Names of the secrets that a text has, in any usual writing. */
function findSecrets(text: string): string[] {
  return [...secrets].flatMap(([name, value]) => {
    const forms = (["utf8", "hex", "base64", "base64url"] as const).map((form) => {
      const written = value.toString(form).replace(/=+$/, "");
      // Base64 of a part of a longer text has other ends.
      return form.startsWith("base64") ? written.slice(0, -2) : written;
    });
    return forms.some((form) => form.length >= 8 && text.includes(form)) ? [name] : [];
  });
}

let folder: string;
let nats: TestNats | null = null;
const file = (name: string, text: string) => {
  const place = path.join(folder, name);
  writeFileSync(place, text);
  return place;
};

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tidegate-secrets-"));
});

afterAll(async () => {
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Base64 lines of a PEM file. */
const pemBody = (pem: string) => pem.split("\n").slice(1, -2).join("");

async function startAll() {
  const [user, password] = [random("NATS user"), random("NATS password")];
  nats = await startTestNats(1, `authorization { user: "${user}", password: "${password}" }\n`);
  const authority = new Authority(folder, "ca");
  const pair = authority.issue("/CN=edge");
  keep("TLS key", Buffer.from(pemBody(readFileSync(pair.key, "utf8")), "base64"));
  const operators = new Issuer();
  const clientSecret = random("HS256 key");
  const adminPort = await freePort();
  const receiver = await OtlpReceiver.start();
  onTestFinished(() => receiver.close());
  const server = await startServer({
    env: {
      ...{ NATS_URL: nats.urls.join(","), NATS_USER: user, NATS_PASSWORD: password },
      ...{ AUTH: "jwt", AUTH_JWT_KEY_FILE: file("client.key", clientSecret) },
      ...{ TLS_CERT_FILE: pair.cert, TLS_KEY_FILE: pair.key, SHARD_COUNT: "1" },
      ...{ CONTROL_AUTH_JWT_KEY_FILE: operators.write(path.join(folder, "operators.pem")) },
      ...{ ADMIN_PORT: `${adminPort}`, LOG_LEVEL: "debug", AUTH_COOKIE: "session" },
      ...{ TRACE_RATIO: "1", OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint },
    },
  });
  onTestFinished(() => server.close());
  return { server, operators, receiver, clientSecret, ca: readFileSync(authority.ca, "utf8") };
}

/** A client's token, kept as a secret: its claims too, as they are in it. */
async function sign(name: string, secret: string, claims: object): Promise<string> {
  const signed = new SignJWT({
    sub: "anna",
    tenant: "acme",
    jti: random(`jti of ${name}`),
    ...claims,
  });
  const token = await signed
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
  keep(name, token);
  keep(`signature of ${name}`, token.split(".")[2] ?? "");
  return token;
}

/** Every error that a client was told. */
function errorsOf({ frames }: RawClient): string {
  const errors = frames.filter(({ $case }) => $case === "error");
  return textOf(errors);
}

const textOf = (value: unknown) =>
  JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? `${part}` : part));

/** What clients meet, good and bad; gives every text that they were told. */
async function playClients(server: Server, ca: string, clientSecret: string): Promise<string[]> {
  const good = await sign("client token", clientSecret, {});
  const bad = await sign("forged token", random("another key"), {});
  const told: string[] = [];
  const open = async (token: string, more: object = {}) => {
    const client = new RawClient(server.port, { ca });
    onTestFinished(() => void client.socket.terminate());
    await client.opened();
    client.hello({ token, ...more });
    return client;
  };
  const anna = await open(good);
  const welcome = await anna.next("welcome");
  const sessionToken = Buffer.from(welcome.sessionToken);
  keep("session token", sessionToken);
  keep("producer key", anna.producerKey);
  const payload = random("payload");
  await anna.ack(anna.publish({ room: "chat:a", seq: 1, payload }));
  anna.publish({ room: `chat:${"x".repeat(300)}`, seq: 1, payload });
  anna.send({ $case: "refresh", value: { token: bad, requestId: 77 } });
  await anna.next("error", ({ requestId }) => requestId === 77).catch(() => {});
  const truncated = good.slice(0, -4);
  for (const token of [bad, truncated, `${good}x`, `Bearer ${good}`, random("no token at all")]) {
    const client = await open(token, { sessionToken });
    const { code, reason } = await client.closed;
    told.push(`${code} ${reason}`, errorsOf(client));
  }
  const back = await open(good, { sessionToken });
  await back.next("welcome");
  return [...told, errorsOf(anna), errorsOf(back)];
}

/** What operators meet; gives every text that they were told. */
async function playOperators(server: Server, operators: Issuer): Promise<string[]> {
  const claims = { sub: "otto", tidegate_role: "operator" };
  const token = keep("operator token", await operators.token(claims));
  const forged = keep("forged operator token", await new Issuer().token(claims));
  const control = { TIDEGATE_CONTROL: `127.0.0.1:${server.controlPort}` };
  const run = async (args: readonly string[], own: string) => {
    const { stdout, stderr } = await runProcess([...args], {
      env: { ...control, TIDEGATE_TOKEN: own },
    });
    return `${stdout}\n${stderr}`;
  };
  return [
    await run(["class", "list"], forged),
    await run(["limits", "list"], token),
    await run(["audit", "-o", "json"], token),
    await run(["gateways", "-o", "json"], token),
  ];
}

async function readAdmin(server: Server): Promise<string[]> {
  const paths = ["/health", "/metrics", "/readyz"];
  return Promise.all(paths.map(async (each) => (await fetch(`${server.admin}${each}`)).text()));
}

/** An HTTP request with secrets in it, to the clients' port, which closes it unanswered. */
function sendCookie(server: Server, ca: string, cookie: string): Promise<void> {
  return new Promise((resolve) => {
    const headers = { Cookie: `session=${cookie}`, Authorization: `Bearer ${cookie}` };
    const options = {
      port: server.port,
      host: "127.0.0.1",
      ca,
      headers,
      path: `/?token=${cookie}`,
    };
    request(options)
      .on("error", () => resolve())
      .end();
  });
}

test("findSecrets: finds a secret in every writing, and nothing else", () => {
  const secret = random("probe");
  const bytes = Buffer.from(secret);
  for (const form of ["utf8", "hex", "base64", "base64url"] as const) {
    expect(findSecrets(`a line with ${bytes.toString(form)} in it`)).toEqual(["probe"]);
  }
  expect(findSecrets("a line without")).toEqual([]);
  secrets.delete("probe");
});

test("a running process tells no secret: log, errors, health, metrics, traces, audit", async () => {
  const { server, operators, receiver, clientSecret, ca } = await startAll();
  const told = [
    ...(await playClients(server, ca, clientSecret)),
    ...(await playOperators(server, operators)),
  ];
  await sendCookie(server, ca, random("cookie"));
  told.push(...(await readAdmin(server)));
  const hasSpan = (word: string) => receiver.spans.some(({ name }) => name.startsWith(word));
  await receiver.until(() => ["hello", "ingress", "bus.publish"].every(hasSpan));
  await server.stop();
  told.push(server.stderr(), textOf(receiver.spans));
  expect(secrets.size).toBeGreaterThan(15);
  expect(server.stderr().split("\n").length).toBeGreaterThan(5); // it has said something
  expect(told.flatMap(findSecrets)).toEqual([]);
}, 60_000);

describe.concurrent("a process that does not start tells no secret", () => {
  const startFailing = async (env: Record<string, string>) => {
    const error = await startServer({ env }).then(
      async (server) => {
        await server.close();
        throw new Error("it has started");
      },
      (reason: Error) => reason.message,
    );
    expect(error).toContain("tidegate: [");
    return findSecrets(error);
  };

  test.each<[string, () => Record<string, string>]>([
    [
      "a password in an address",
      () => ({ NATS_URL: `nats://anna:${random("password in NATS_URL")}@127.0.0.1:x` }),
    ],
    [
      "a token beside user and password",
      () => ({
        ...{ NATS_URL: "nats://127.0.0.1:1", NATS_TOKEN: random("NATS_TOKEN") },
        ...{ NATS_USER: "anna", NATS_PASSWORD: random("NATS_PASSWORD") },
      }),
    ],
    [
      "a private key instead of a public one",
      () => {
        const { privatePem } = new Issuer();
        keep("private key", Buffer.from(pemBody(privatePem), "base64"));
        return { AUTH: "jwt", AUTH_JWT_KEY_FILE: file("wrong.pem", privatePem) };
      },
    ],
    [
      "a token file that does not parse",
      () => ({
        AUTH: "static",
        AUTH_TOKENS_FILE: file(
          "tokens.json",
          `{"tokens": [{"token": "${random("static token")}",}]}`,
        ),
      }),
    ],
    [
      "a secret that is too short, and a key file that is a certificate",
      () => ({
        ...{ AUTH: "jwt", AUTH_JWT_KEY_FILE: file("short.key", keep("short", "0123456789a")) },
      }),
    ],
  ])("%s", async (_name, env) => {
    expect(await startFailing(env())).toEqual([]);
  });
});
