/**
 * Installs what is missing, so that `npm start` and `npm test` work in a clean checkout.
 *
 * Plain JavaScript for the host's own Node (20 or newer): it runs before ours is there. npm
 * packages by the lockfile, once per lockfile; with --tests also a Python environment in
 * .cache/venv. The native files of the uWebSockets.js alias are a third party's repack, so they
 * are compared with the SHA-256 list beside the gateway each time (SECURITY.md).
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(fileURLToPath(import.meta.url));
const from = (...parts) => path.join(root, ...parts);

installPackages();
checkNatives();
if (process.argv.includes("--tests")) installPython();

function installPackages() {
  const want = sha256(readFileSync(from("package-lock.json")));
  const stamp = from("node_modules/.tidegate-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === want) return;
  say("installing npm packages (once per lockfile, about half a minute) …");
  // Not `npm ci`: it refuses a lockfile without every other platform's optional binaries, which not
  // every registry carries. `install --no-save` takes the locked versions and hashes as well.
  run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
  writeFileSync(stamp, want);
}

function checkNatives() {
  const list = JSON.parse(readFileSync(from("gateway/uws-natives.json"), "utf8")).sha256;
  const folder = from("node_modules/uWebSockets.js/dist/bin");
  // Only the file that our Node loads (ABI 127): reading all 24 would cost every start 400 ms. The
  // test reads all.
  const loaded = readdirSync(folder).filter(
    (name) => name === `uws_${process.platform}_${process.arch}_127.node`,
  );
  for (const name of loaded) {
    const found = sha256(readFileSync(path.join(folder, name)));
    if (list[name] === found) continue;
    fail(`${name} of uWebSockets.js has SHA-256 ${found}, pinned is ${list[name] ?? "none"}.
Do not run it. Delete node_modules and install again; if it stays so, read SECURITY.md.`);
  }
}

function installPython() {
  const lock = readFileSync(from("sdk/python/requirements-dev.txt"));
  const stamp = from(".cache/venv/.tidegate-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === sha256(lock)) return;
  if (spawnSync("python3", ["-c", "import venv, ensurepip"]).status !== 0) {
    say(
      "no python3 with venv here: the Python SDK is not tested (Debian: apt install python3-venv)",
    );
    return;
  }
  say("installing the Python environment of the tests in .cache/venv (once) …");
  mkdirSync(from(".cache"), { recursive: true });
  rmSync(from(".cache/venv"), { recursive: true, force: true });
  run("python3", ["-m", "venv", from(".cache/venv")]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  run(from(".cache/venv/bin/python"), [...pip, "-r", from("sdk/python/requirements-dev.txt")]);
  writeFileSync(stamp, sha256(lock));
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) fail(`${command} ${args.join(" ")} ended with ${result.status}`);
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

function say(text) {
  process.stderr.write(`tidegate: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
