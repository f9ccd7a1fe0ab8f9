/**
 * Access to a real control plane, by token and by certificate: who comes in, what each role may,
 * and how each refusal is told and audited.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ChannelCredentials, credentials, Metadata, status } from "@grpc/grpc-js";
import { exportJWK } from "jose";
import { expect, onTestFinished, test } from "vitest";
import type { ControlPlaneOptions } from "../../../controlplane/options.ts";
import { HealthClient } from "../../../proto/gen/grpc/health/v1/health.ts";
import { AuditEntry } from "../../../proto/gen/tidegate/control/v1/audit.ts";
import { type RoomClass, RoomMode } from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import { RoomClassServiceClient } from "../../../proto/gen/tidegate/control/v1/room_class_service.ts";
import { type Refusal, refusal, roomClass, testControlPlane } from "../start-control-plane.ts";
import { Authority, type CertificateFiles, Issuer } from "./issue.ts";

const name = "tenants/default/roomClasses/game";

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-access-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A caller with credentials of its own; every call is a promise. */
class Caller {
  readonly #client: RoomClassServiceClient;
  readonly #metadata = new Metadata();

  constructor(address: string, token = "", channel: ChannelCredentials | null = null) {
    this.#client = new RoomClassServiceClient(address, channel ?? credentials.createInsecure());
    if (token !== "") this.#metadata.set("authorization", `Bearer ${token}`);
    onTestFinished(() => this.#client.close());
  }

  /** Sends this metadata as it is. */
  withMetadata(...values: string[]): this {
    this.#metadata.remove("authorization");
    for (const value of values) this.#metadata.add("authorization", value);
    return this;
  }

  list() {
    const request = { parent: "tenants/default", pageSize: 0, pageToken: "" };
    return this.#call((done) => this.#client.listRoomClasses(request, this.#metadata, done));
  }

  create() {
    const made: RoomClass = roomClass({ mode: RoomMode.EPHEMERAL });
    const named = { parent: "tenants/default", roomClassId: "game", roomClass: made };
    const request = { ...named, validateOnly: false, requestId: "" };
    return this.#call((done) => this.#client.createRoomClass(request, this.#metadata, done));
  }

  delete() {
    const request = { name, etag: "", validateOnly: false, requestId: "" };
    return this.#call((done) => this.#client.deleteRoomClass(request, this.#metadata, done));
  }

  /** "OK" or the codes of the refusal. */
  async outcome(call: "list" | "create" | "delete"): Promise<string> {
    const answering = this[call]();
    if (
      await answering.then(
        () => true,
        () => false,
      )
    )
      return "OK";
    const { grpc, code } = await refusal(answering);
    return `${status[grpc]} ${code}`;
  }

  refused(): Promise<Refusal> {
    return refusal(this.list());
  }

  #call<T>(start: (done: (error: Error | null, answer: T) => void) => unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      start((error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
  }
}

function channelOf(ca: string, files: CertificateFiles | null): ChannelCredentials {
  const read = (file: string) => readFileSync(file);
  if (files === null) return credentials.createSsl(read(ca));
  return credentials.createSsl(read(ca), read(files.key), read(files.cert));
}

async function start(options: Partial<ControlPlaneOptions>) {
  const opened = await testControlPlane(options);
  const entries = async () => {
    const keys = await opened.bus.keyValue("control");
    return (await keys.list("audit.")).map(({ value }) => AuditEntry.decode(value));
  };
  return { ...opened, address: opened.plane.address, entries };
}

test("tokens: each role may what it may, and a refusal names the role that is needed", async () => {
  const issuer = new Issuer();
  const file = issuer.write(path.join(newFolder(), "key.pem"));
  const { address, entries } = await start({ authJwtKeyFile: file });
  const as = async (role: string, sub = role) =>
    new Caller(address, await issuer.token({ sub, tidegate_role: role }));
  const denied = "PERMISSION_DENIED ROLE_REQUIRED";
  const expected = {
    viewer: ["OK", denied, denied],
    gateway: [denied, denied, denied],
    operator: ["OK", "OK", denied],
    admin: ["OK", "ALREADY_EXISTS ALREADY_EXISTS", "OK"],
  };
  const found: Record<string, string[]> = {};
  for (const role of Object.keys(expected)) {
    const caller = await as(role);
    found[role] = [];
    for (const call of ["list", "create", "delete"] as const) {
      found[role].push(await caller.outcome(call));
    }
  }
  expect(found).toEqual(expected);
  const refused = await refusal((await as("viewer", "vera")).delete());
  expect(refused.message).toBe('DeleteRoomClass needs the role admin; "vera" has the role viewer');
  const audited = await entries();
  expect(audited.filter(({ outcome }) => outcome === "OK")).toMatchObject([
    { principal: "operator", role: "operator" },
    { principal: "admin", role: "admin" },
  ]);
  expect(audited.filter(({ outcome }) => outcome === "ROLE_REQUIRED")).toHaveLength(7);
  expect(audited.at(-1)).toMatchObject({ principal: "vera", role: "viewer", resource: name });
});

test("tokens: what is missing, wrong, expired or not ours is UNAUTHENTICATED, and audited", async () => {
  const folder = newFolder();
  const issuer = new Issuer();
  const { address, entries, errors } = await start({
    authJwtKeyFile: issuer.write(path.join(folder, "key.pem")),
    authJwtIssuer: "https://id.example",
    authJwtAudience: "tidegate-control",
  });
  const good = { sub: "a", tidegate_role: "admin", iss: "https://id.example" };
  const claims = { ...good, aud: "tidegate-control" };
  const fine = await issuer.token(claims);
  expect(await new Caller(address, fine).outcome("list")).toBe("OK");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const tokens = [
    "x",
    "a.b.c",
    "x".repeat(9000),
    fine.slice(0, -4),
    `${none}.${fine.split(".")[1]}.`,
    await new Issuer().token(claims),
    await issuer.token({ ...claims, exp: Math.floor(Date.now() / 1000) - 60 }),
    await issuer.token({ ...claims, nbf: Math.floor(Date.now() / 1000) + 600 }),
    await issuer.token({ ...claims, iss: "https://evil.example" }),
    await issuer.token({ ...good, aud: "other" }),
    await issuer.token(good),
    await issuer.token({ ...claims, tidegate_role: undefined, role: "admin" }),
    await issuer.token({ ...claims, sub: undefined }),
    await issuer.token({ ...claims, exp: undefined }),
  ];
  for (const token of tokens) {
    const refused = await new Caller(address, token).refused();
    expect(refused).toMatchObject({ grpc: status.UNAUTHENTICATED, code: "CREDENTIALS_INVALID" });
    if (token.length < 1000) expect(refused.message).not.toContain(token.slice(-20));
  }
  const headers = [[], [`Basic ${fine}`], [fine], [`Bearer ${fine} ${fine}`], ["Bearer"]];
  for (const header of headers) {
    const caller = new Caller(address).withMetadata(...header);
    expect(await caller.outcome("list")).toBe("UNAUTHENTICATED CREDENTIALS_INVALID");
  }
  const audited = await entries();
  expect(audited).toHaveLength(tokens.length + headers.length);
  for (const entry of audited) {
    expect(entry).toMatchObject({ principal: "", role: "", outcome: "CREDENTIALS_INVALID" });
    expect(entry.peer).toMatch(/^127\.0\.0\.1:\d+$/);
  }
  expect(errors).toEqual([]);
});

test("key set: the key that the token names, and another after the file has changed", async () => {
  const file = path.join(newFolder(), "keys.json");
  const [one, two] = [new Issuer(), new Issuer()];
  const write = async (issuers: Record<string, Issuer>) => {
    const keys = Object.entries(issuers).map(async ([kid, { publicKey }]) => ({
      ...(await exportJWK(publicKey)),
      kid,
    }));
    writeFileSync(file, JSON.stringify({ keys: await Promise.all(keys) }));
  };
  await write({ one });
  const { address, plane, errors } = await start({ authJwksFile: file });
  const claims = { sub: "a", tidegate_role: "viewer" };
  const byOne = new Caller(address, await one.token(claims, { kid: "one" }));
  const byTwo = new Caller(address, await two.token(claims, { kid: "two" }));
  const refused = "UNAUTHENTICATED CREDENTIALS_INVALID";
  expect([await byOne.outcome("list"), await byTwo.outcome("list")]).toEqual(["OK", refused]);
  await write({ one, two });
  plane.refreshFiles();
  expect([await byOne.outcome("list"), await byTwo.outcome("list")]).toEqual(["OK", "OK"]);
  writeFileSync(file, "half a fi");
  plane.refreshFiles();
  plane.refreshFiles();
  expect(errors).toHaveLength(1); // told once, and the last good ones stay
  expect(await byTwo.outcome("list")).toBe("OK");
  await write({ two });
  plane.refreshFiles();
  expect([await byOne.outcome("list"), await byTwo.outcome("list")]).toEqual([refused, "OK"]);
});

test("certificates: who a trusted one names; others, and none, are UNAUTHENTICATED", async () => {
  const folder = newFolder();
  const [authority, stranger] = [new Authority(folder, "ours"), new Authority(folder, "other")];
  const own = authority.issue("/CN=control");
  const { address, entries } = await start({
    ...{ tlsCertFile: own.cert, tlsKeyFile: own.key, tlsCaFile: authority.ca },
  });
  const by = (files: CertificateFiles | null) =>
    new Caller(address, "", channelOf(authority.ca, files));
  const anna = by(authority.issue("/CN=anna/OU=operator"));
  expect(await anna.outcome("create")).toBe("OK");
  expect(await anna.outcome("delete")).toBe("PERMISSION_DENIED ROLE_REQUIRED");
  const refused = "UNAUTHENTICATED CREDENTIALS_INVALID";
  expect(await by(null).outcome("list")).toBe(refused);
  expect(await by(authority.issue("/CN=anna")).outcome("list")).toBe(refused);
  expect(await by(stranger.issue("/CN=anna/OU=admin")).outcome("list")).toBe(refused);
  const withToken = new Caller(address, "abc", channelOf(authority.ca, null));
  expect((await withToken.refused()).message).toContain("only client certificates");
  expect(await new Caller(address).list().catch(({ code }) => status[code])).toBe("UNAVAILABLE");
  expect(await entries()).toMatchObject([
    { principal: "anna", outcome: "OK" },
    { principal: "anna", outcome: "ROLE_REQUIRED" },
    ...Array.from({ length: 4 }, () => ({ principal: "", outcome: "CREDENTIALS_INVALID" })),
  ]);
});

test("certificates: renewed files are in force for new connections, broken ones are not", async () => {
  const folder = newFolder();
  const [old, renewed] = [new Authority(folder, "old"), new Authority(folder, "new")];
  const files = { cert: path.join(folder, "cert.pem"), key: path.join(folder, "key.pem") };
  const put = ({ cert, key }: CertificateFiles) => {
    writeFileSync(files.cert, readFileSync(cert));
    writeFileSync(files.key, readFileSync(key));
  };
  put(old.issue("/CN=control"));
  const issuer = new Issuer();
  const { address, plane, errors } = await start({
    ...{ tlsCertFile: files.cert, tlsKeyFile: files.key },
    authJwtKeyFile: issuer.write(path.join(folder, "jwt.pem")),
  });
  const token = await issuer.token({ sub: "a", tidegate_role: "viewer" });
  const list = (ca: string) =>
    new Caller(address, token, channelOf(ca, null)).list().then(
      () => "OK",
      ({ code }) => status[code],
    );
  expect([await list(old.ca), await list(renewed.ca)]).toEqual(["OK", "UNAVAILABLE"]);
  const next = renewed.issue("/CN=control");
  writeFileSync(files.cert, readFileSync(next.cert)); // the key is still the old one's
  plane.refreshFiles();
  expect(errors).toHaveLength(1);
  expect(await list(old.ca)).toBe("OK");
  put(next);
  plane.refreshFiles();
  expect([await list(old.ca), await list(renewed.ca)]).toEqual(["UNAVAILABLE", "OK"]);
});

test("health and reflection answer without credentials; the own gateway's token is its own", async () => {
  const issuer = new Issuer();
  const file = issuer.write(path.join(newFolder(), "key.pem"));
  const { address, plane } = await start({ authJwtKeyFile: file, ownGatewayId: "gw-1" });
  const health = new HealthClient(address, credentials.createInsecure());
  onTestFinished(() => health.close());
  const answer = await new Promise((resolve, reject) => {
    health.check({ service: "" }, (error, found) =>
      error === null ? resolve(found) : reject(error),
    );
  });
  expect(answer).toMatchObject({ status: 1 });
  const own = new Caller(address, plane.gatewayToken);
  expect(await own.outcome("list")).toBe("PERMISSION_DENIED ROLE_REQUIRED");
  expect((await own.refused()).message).toContain('"gw-1" has the role gateway');
  expect(await new Caller(address, `${plane.gatewayToken}x`).outcome("list")).toContain("UNAUTH");
  const open = await start({ ownGatewayId: "gw-1" });
  expect(open.plane.gatewayToken).toBe("");
  expect(await new Caller(open.address, "whatever").outcome("list")).toBe("OK");
});

test("a flood of refused calls is bounded in the log, and the next entry counts them", async () => {
  const issuer = new Issuer();
  const file = issuer.write(path.join(newFolder(), "key.pem"));
  const { address, entries } = await start({ authJwtKeyFile: file });
  const stranger = new Caller(address);
  const calls = Array.from({ length: 250 }, () => stranger.outcome("list"));
  expect(new Set(await Promise.all(calls))).toEqual(
    new Set(["UNAUTHENTICATED CREDENTIALS_INVALID"]),
  );
  expect(await entries()).toHaveLength(100);
  // Who is known and oversteps is seen all the same.
  const token = await issuer.token({ sub: "vera", tidegate_role: "viewer" });
  await new Caller(address, token).outcome("delete");
  const known = (await entries()).filter(({ principal }) => principal === "vera");
  expect(known).toMatchObject([{ outcome: "ROLE_REQUIRED", suppressedCount: 0n }]);
});
