/**
 * `tidegatectl pub`, `sub` and `history` against a real all-in-one.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { MessagingServiceClient } from "../../proto/gen/tidegate/control/v1/messaging_service.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { type Server, startServer } from "../start-server.ts";
import { binary, runCli, runProcess, startCli } from "./run-cli.ts";

let server: Server;
let env: Record<string, string> = {};
let roomCount = 0;

beforeAll(async () => {
  server = await startServer();
  env = { TIDEGATE_URL: server.url, TIDEGATE_CONTROL: server.grpc };
  return () => server.close();
});

/** Each test has a room of its own. */
function newRoom(roomClass = "chat"): string {
  roomCount += 1;
  return `${roomClass}:cli ${roomCount}`;
}

/** Starts `sub` and waits until it has joined: then the history it asked for is there. */
async function subscribed(room: string, ...args: string[]) {
  const mark = `mark ${Math.random()}`;
  await runCli(["pub", "-q", room, mark], { env });
  const run = startCli(["sub", room, "--history", "1", ...args], env);
  onTestFinished(() => void run.child.kill("SIGKILL"));
  await run.until(mark);
  return run;
}

test("pub: each line is a message, acknowledged and stored in order", async () => {
  const room = newRoom();
  const lines = Array.from({ length: 2000 }, (_, at) => `line ${at}`);
  const input = `${lines.join("\n")}\n`;
  const ended = await runProcess(["pub", room], { env, input });
  expect(ended).toMatchObject({ code: 0, stdout: "" });
  expect(ended.stderr).toMatch(/tidegatectl: 2000 of 2000 messages acknowledged in [\d.]+ s\n$/);
  const stored = await runProcess(["history", room, "--all"], { env });
  expect(stored.stdout).toBe(`${lines.slice(1000).join("\n")}\n`); // the class keeps 1000
});

test("pub: arguments, a file, --whole and bytes that are no text arrive as they are", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "lines");
  writeFileSync(file, "from file\r\n\nlast");
  const room = newRoom();
  await runCli(["pub", "-q", room, "one", "-two-"], { env }).then(({ code }) => {
    expect(code).toBe(2); // looks like an option; "--" says that it is none
  });
  expect((await runCli(["pub", "-q", room, "--", "one", "-two-"], { env })).code).toBe(0);
  expect((await runCli(["pub", "-q", room, "-f", file], { env })).code).toBe(0);
  const bytes = Buffer.from([0xff, 0x00, 0x0a, 0x0d]);
  expect((await runCli(["pub", "-q", room, "--whole"], { env, input: bytes })).code).toBe(0);
  const { stdout } = await runCli(["history", room, "--json"], { env });
  const messages = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(messages.map(({ payload }) => payload)).toEqual([
    "one",
    "-two-",
    "from file",
    "",
    "last",
    undefined,
  ]);
  expect(Buffer.from(messages[5].payloadBase64, "base64")).toEqual(bytes);
});

test("pub: a message that is too large stops it, and the ones before are stored", async () => {
  const room = newRoom();
  const input = `before\n${"x".repeat(70_000)}\nafter\n`;
  const ended = await runCli(["pub", room, "--rate", "5"], { env, input });
  expect(ended.code).toBe(2);
  expect(ended.stderr).toContain("1 of 2 messages acknowledged");
  expect(ended.stderr).toContain("[PAYLOAD_TOO_LARGE]");
  expect((await runCli(["history", room], { env })).stdout).toBe("before\n");
});

test("pub: Ctrl-C ends it while it waits for its input", async () => {
  const room = newRoom();
  const run = startCli(["pub", room], env);
  run.child.stdin.write("one\n");
  await run.until("1 of 1 acknowledged", "stderr");
  run.child.kill("SIGINT");
  const { code, stderr } = await run.ended;
  expect(code).toBe(130);
  expect(stderr).toContain("1 of 1 messages acknowledged");
});

test("pub: --rate paces, and Ctrl-C ends it with what was sent acknowledged", async () => {
  const room = newRoom();
  const run = startCli(["pub", room, "--rate", "20"], env);
  run.child.stdin.end("x\n".repeat(100_000));
  await run.until("acknowledged …", "stderr");
  run.child.kill("SIGINT");
  const { code, stderr } = await run.ended;
  expect(code).toBe(130);
  const [, acked, sent] = /(\d+) of (\d+) messages acknowledged/.exec(stderr) ?? [];
  expect(acked).toBe(sent);
  expect(Number(sent)).toBeLessThan(2000);
});

test("sub: prints messages as they come, with positions, until --count", async () => {
  const room = newRoom();
  const run = await subscribed(room, "--count", "3", "--positions");
  await runCli(["pub", "-q", room, "a", "b", "c"], { env });
  const { code, stdout, stderr } = await run.ended;
  expect([code, stderr]).toEqual([0, ""]);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"));
  expect(lines.slice(1).map(([, payload]) => payload)).toEqual(["a", "b"]);
  const since = lines[1]?.[0] ?? "";
  const later = await runCli(["sub", room, "--since", since, "--count", "2"], { env });
  expect(later.stdout).toBe("b\nc\n");
});

test("sub: --json has one object a line, for several rooms", async () => {
  const [room, other] = [newRoom(), newRoom()];
  await runCli(["pub", "-q", room, "a"], { env });
  await runCli(["pub", "-q", other, "b"], { env });
  const args = ["sub", room, other, "--json", "--history", "1", "--count", "2"];
  const { code, stdout } = await runCli(args, { env });
  expect(code).toBe(0);
  const messages = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const byRoom = new Map(messages.map((message) => [message.room, message]));
  expect(byRoom.get(room)).toMatchObject({ type: "message", payload: "a", user: "" });
  expect(byRoom.get(other)?.position).toMatch(/^1\.\d+\.\d+$/);
  const text = await runCli(["sub", room, other, "--history", "1", "--count", "2"], { env });
  expect(text.stdout.split("\n").sort()).toEqual(["", `${room}\ta`, `${other}\tb`].sort());
});

test("sub: a position that is not in the history is told on stderr", async () => {
  const room = newRoom();
  await runCli(["pub", "-q", room, "a"], { env });
  const args = ["sub", room, "--since", "1.999999.1", "--history", "1", "--count", "1"];
  const { code, stdout, stderr } = await runCli(args, { env });
  expect([code, stdout]).toEqual([0, "a\n"]);
  expect(stderr).toContain("messages are missing here: an unknown number");
});

test("sub: hears what a backend publishes through the control plane", async () => {
  for (const room of [newRoom("chat"), newRoom("live")]) {
    const run = startCli(["sub", room, "--json", "--count", "1"], env);
    onTestFinished(() => void run.child.kill("SIGKILL"));
    const client = new MessagingServiceClient(server.grpc, credentials.createInsecure());
    onTestFinished(() => client.close());
    const payload = Buffer.from("from the backend");
    const request = { parent: "tenants/default", room, payload, user: "billing", requestId: "" };
    let isOver = false;
    run.ended.finally(() => {
      isOver = true;
    });
    // Until it has joined and heard one; nothing else tells that it has joined.
    while (!isOver) await call(client, client.publish, request);
    const { code, stdout } = await run.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      room,
      user: "billing",
      payload: "from the backend",
    });
  }
});

test("sub: ends quietly when its reader goes away", async () => {
  const room = newRoom();
  const script = `"$0" sub "$1" --history 5 | head -1; echo "\${PIPESTATUS[0]}"`;
  await runCli(["pub", "-q", room, "first", "second"], { env });
  const shell = spawn("bash", ["--norc", "-c", script, binary, room], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "", ...env },
  });
  onTestFinished(() => void shell.kill("SIGKILL"));
  let text = "";
  let faults = "";
  shell.stdout.on("data", (chunk) => {
    text += chunk;
  });
  shell.stderr.on("data", (chunk) => {
    faults += chunk;
  });
  const ended = once(shell, "close");
  await once(shell.stdout, "data");
  // Only a write shows that nobody reads: keep writing until it has ended.
  let isOver = false;
  ended.then(() => {
    isOver = true;
  });
  while (!isOver) await runCli(["pub", "-q", room, "more"], { env });
  expect(text).toBe("first\n0\n");
  expect(faults).toBe("");
});

test("sub: Ctrl-C and SIGTERM end it quietly, as shells expect", async () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const run = await subscribed(newRoom());
    run.child.kill(signal);
    expect(await run.ended).toMatchObject({ code, stderr: "" });
  }
});

test("sub: goes on without gap or double over a kill -9 of the server", async () => {
  const first = await startServer();
  onTestFinished(() => first.close());
  const own = { TIDEGATE_URL: first.url };
  const room = newRoom();
  await runCli(["pub", "-q", room, "a", "b"], { env: own });
  const run = startCli(["sub", room, "--history", "2", "--count", "4"], own);
  onTestFinished(() => void run.child.kill("SIGKILL"));
  await run.until("b\n");
  await first.kill();
  await run.until("connection lost", "stderr");
  const second = await restart(first);
  onTestFinished(() => second.close());
  await runCli(["pub", "-q", room, "c", "d"], { env: own });
  const { code, stdout, stderr } = await run.ended;
  expect([code, stdout]).toEqual([0, "a\nb\nc\nd\n"]);
  expect(stderr).toContain("connected again");
  expect(stderr).not.toContain("missing");
});

test("history: the newest, those before a position, and all, oldest first", async () => {
  const room = newRoom();
  const lines = Array.from({ length: 600 }, (_, at) => `m${at}`);
  await runCli(["pub", "-q", room], { env, input: lines.join("\n") });
  const newest = await runCli(["history", room, "--limit", "2", "--positions"], { env });
  const rows = newest.stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"));
  expect(rows.map(([, payload]) => payload)).toEqual(["m598", "m599"]);
  const before = ["history", room, "--limit", "2", "--before", rows[0]?.[0] ?? ""];
  expect((await runCli(before, { env })).stdout).toBe("m596\nm597\n");
  const all = await runCli(["history", room, "--all"], { env });
  expect(all.stdout).toBe(`${lines.join("\n")}\n`);
  const some = await runCli(["history", room, "--limit", "550"], { env });
  expect(some.stdout).toBe(`${lines.slice(50).join("\n")}\n`);
});

test("a class that is applied counts at once for pub and history", async () => {
  const input = JSON.stringify({ name: "fresh", mode: "durable", historyCountMax: 2 });
  const room = newRoom("fresh");
  const unknown = await runCli(["pub", "-q", room, "x"], { env });
  expect(unknown).toMatchObject({ code: 5 });
  expect(unknown.stderr).toContain("[ROOM_CLASS_UNKNOWN]\n  Create it: tidegatectl class apply");
  expect((await runCli(["class", "apply", "-f", "-"], { env, input })).code).toBe(0);
  expect((await runCli(["pub", "-q", room, "a", "b", "c"], { env })).code).toBe(0);
  expect((await runCli(["history", room, "--all"], { env })).stdout).toBe("b\nc\n");
});

test.each([
  [["pub", "nocolon", "x"], 2, "ROOM_NAME_INVALID"],
  [["sub", "chat:x", "--since", "yesterday"], 2, "REQUEST_INVALID"],
  [["sub", "chat:x", "--url", "http://127.0.0.1/"], 2, "OPTION_INVALID"],
  [["history", "live:x"], 6, "NOT_DURABLE"],
] as const)("%j: ends with exit code %d and %s", async (args, code, name) => {
  const ended = await runCli(args, { env });
  expect(ended).toMatchObject({ code, stdout: "" });
  expect(ended.stderr).toContain(`[${name}]`);
  expect(ended.stderr).not.toContain("    at ");
});

test("an unreachable gateway: exit code 3, the reason, and how to mend it", async () => {
  const ended = await runCli(["sub", "chat:x", "--url", "ws://127.0.0.1:1/ws"]);
  expect(ended.code).toBe(3);
  expect(ended.stderr).toContain("no gateway answers at ws://127.0.0.1:1/ws");
  expect(ended.stderr).toContain("ECONNREFUSED");
  expect(ended.stderr).toContain("--url ws://host:port/ws or TIDEGATE_URL");
});

test("a gateway that wants tokens: exit code 4 without one, and --token-file opens it", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const tokens = path.join(folder, "tokens.json");
  const holder = { token: "s3cret-token-of-ann", user: "ann" };
  writeFileSync(tokens, JSON.stringify({ tokens: [holder] }));
  const guarded = await startServer({ env: { AUTH: "static", AUTH_TOKENS_FILE: tokens } });
  onTestFinished(() => guarded.close());
  const own = { TIDEGATE_URL: guarded.url };
  const refused = await runCli(["pub", "chat:x", "hi"], { env: own });
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain("the gateway wants a token [TOKEN_INVALID]");
  const wrong = await runCli(["pub", "chat:x", "hi", "--token", "nope"], { env: own });
  expect(wrong.code).toBe(4);
  expect(wrong.stderr).toContain("the gateway refuses the token");
  const tokenFile = path.join(folder, "token");
  writeFileSync(tokenFile, `${holder.token}\n`);
  const opened = await runCli(["pub", "-q", "chat:x", "hi", "--token-file", tokenFile], {
    env: own,
  });
  expect(opened).toMatchObject({ code: 0, stderr: "" });
  const read = await runCli(["history", "chat:x", "--json"], {
    env: { ...own, TIDEGATE_TOKEN: holder.token },
  });
  expect(JSON.parse(read.stdout)).toMatchObject({ user: "ann", payload: "hi" });
});

/**
 * Starts a killed server anew on its ports. Meanwhile they are free, so another process's outgoing
 * connection may hold one for a moment.
 */
async function restart({ dataDir, port, controlPort }: Server): Promise<Server> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startServer({ dataDir, port, controlPort });
    } catch (error) {
      if (tries === 5 || !String(error).includes("ADDRESS_IN_USE")) throw error;
    }
  }
}
