/**
 * A whole cluster on one machine, to try things out: `npm run dev:cluster`.
 *
 * Three nats-servers, two gateways and two control planes, each a process of its own on a free port
 * of loopback, with their stores in .cache/dev-cluster or $DATA_DIR. Ctrl-C stops all of it.
 *
 * With $ADMIN_PORT the four processes of ours have admin ports from there on, and options of
 * telemetry are handed on: docs/observability.md.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { CodedError } from "../../proto/coded-error.ts";
import { startNats } from "../nats/cluster.ts";
import { findNatsServer } from "../nats/find-server.ts";
import { NODE_FLAGS } from "../node-flags.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** What a process of ours says when it is ready. */
interface Ready {
  readonly url: string | null;
  readonly http: string | null;
  readonly grpc: string | null;
  readonly admin: string | null;
}

/** Of the environment, what our processes get: where and what they tell of themselves. */
const HANDED_ON = /^(ADMIN_HOST|OTEL_\w+|TRACE_\w+)$/;

const children: ChildProcess[] = [];
const say = (text: string) => process.stderr.write(`dev-cluster: ${text}\n`);

try {
  await main();
} catch (error) {
  const coded = CodedError.from(error);
  process.stderr.write(`dev-cluster: [${coded.code}] ${coded.detail}\n`);
  await stopChildren();
  process.exit(1);
}

async function main(): Promise<void> {
  const binary = findNatsServer(process.env.NATS_SERVER ?? "", say);
  const folder = process.env.DATA_DIR ?? path.join(root, ".cache/dev-cluster");
  say("starting three nats-servers …");
  const nats = await startNats(binary, folder, 3);
  const stop = async () => {
    say("stopping …");
    await stopChildren();
    await nats.stop();
    process.exit(0);
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  say("starting two gateways and two control planes …");
  const parts = ["gateway", "gateway", "controlplane", "controlplane"];
  const ready = await Promise.all(parts.map((part, i) => startPart(part, i, nats.urls.join(","))));
  const rows: [string, string | null][] = [
    ...nats.urls.map((url): [string, string] => ["nats", url]),
    ...ready.map(({ url, grpc }): [string, string | null] =>
      url === null ? ["gRPC", grpc] : ["WebSocket", url],
    ),
    ...ready.flatMap(({ admin }): [string, string][] =>
      admin === null ? [] : [["metrics", `${admin}/metrics`]],
    ),
  ];
  const page = ready[0]?.admin ?? ready[0]?.http;
  process.stdout.write(`
  The cluster is ready.

${rows.map(([name, value]) => `  ${name.padEnd(12)}${value}`).join("\n")}
  page        ${page}/

  try this    cli/bin/tidegatectl --url ${ready[0]?.url} sub chat:lobby
              echo hello | cli/bin/tidegatectl --url ${ready[1]?.url} pub chat:lobby

  Ctrl-C stops all of it.
`);
}

async function startPart(part: string, i: number, natsUrl: string): Promise<Ready> {
  const adminPort = Number(process.env.ADMIN_PORT ?? 0);
  const handedOn = Object.entries(process.env).filter(([name]) => HANDED_ON.test(name));
  const child = spawn(
    path.join(root, "node_modules/.bin/node"),
    [...NODE_FLAGS, "main.ts", "--parts", part],
    {
      cwd: root,
      env: {
        ...Object.fromEntries(handedOn),
        PATH: process.env.PATH ?? "",
        ADMIN_PORT: String(adminPort === 0 ? 0 : adminPort + i),
        NATS_URL: natsUrl,
        REPLICA_COUNT: "3",
        PORT: "0",
        CONTROL_PORT: "0",
        DRAIN_DEADLINE_MS: "0", // all of it ends at once: nobody is left to move to
        LOG_FORMAT: "json",
        LOG_LEVEL: "warn",
      },
      stdio: ["ignore", "pipe", "inherit"],
      detached: true, // Ctrl-C is ours alone: parts stop before the nats-servers do
    },
  );
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, "line"), once(child, "exit").then(() => null)]);
  if (line === null) throw new CodedError("UNAVAILABLE", `the ${part} ended before it was ready`);
  return JSON.parse(String(line[0])) as Ready;
}

async function stopChildren(): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    }),
  );
}
