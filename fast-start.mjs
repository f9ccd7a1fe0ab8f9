/**
 * Makes a start of ours cheap: `node --import ./fast-start.mjs main.ts`.
 *
 * Node strips types from each file at each start, which costs a server some 300 ms of CPU, and
 * compiles what is left. Both are kept in .cache/ between starts: stripped files by this one, what
 * is compiled by Node. A file that has changed is stripped again. Plain JavaScript, so that nothing
 * is to be stripped before it. Where .cache/ can not be written all works as without this file.
 */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { enableCompileCache, registerHooks, stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = `${pathToFileURL(import.meta.dirname).href}/`;
const folder = path.join(import.meta.dirname, ".cache/stripped");

/** Files stripped and files found stripped since the start of this thread; tests look at them. */
export const counts = { stripped: 0, found: 0 };

mkdirQuietly(folder);
// The compiled code of ten versions of every file has 100 MB; `rm -r .cache` is always safe.
enableCompileCache(path.join(import.meta.dirname, ".cache/compiled"));
registerHooks({
  load(url, context, nextLoad) {
    const isOurs = url.startsWith(root) && url.endsWith(".ts") && !url.includes("/node_modules/");
    if (!isOurs) return nextLoad(url, context);
    const source = strippedSource(fileURLToPath(url));
    if (source === null) return nextLoad(url, context); // Node says what is wrong with the file
    return { format: "module", source, shortCircuit: true };
  },
});

/** Null when it can not be stripped. */
function strippedSource(file) {
  const { size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  const head = `// ${process.version} ${size} ${mtimeNs} ${ctimeNs}\n`;
  const kept = path.join(folder, path.relative(import.meta.dirname, file).replaceAll("/", "+"));
  const found = readQuietly(kept);
  if (found.startsWith(head)) {
    counts.found += 1;
    return found.slice(head.length);
  }
  counts.stripped += 1;
  try {
    const source = stripTypeScriptTypes(readFileSync(file, "utf8"));
    keep(kept, head + source);
    return source;
  } catch {
    return null;
  }
}

/** As a whole or not at all: several processes may start at once. */
function keep(file, text) {
  const part = `${file}.${process.pid}.part`;
  try {
    writeFileSync(part, text);
    renameSync(part, file);
  } catch {
    // Nothing is kept on a read-only disk, or a full one: the next start strips it again.
  }
}

function readQuietly(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // not kept yet
  }
}

function mkdirQuietly(name) {
  try {
    mkdirSync(name, { recursive: true });
  } catch {
    // See keep().
  }
}
