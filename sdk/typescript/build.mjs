/**
 * Emits what is published: dist/ with JavaScript, types, and a package.json of its own.
 *
 * `npm pack` runs it. The inner package.json is there for one thing: `#…` must lead to the
 * emitted files when published, and to the sources inside this repository.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const folder = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const from = (...parts) => path.join(folder, ...parts);

rmSync(from("dist"), { recursive: true, force: true });
const tsc = from("../../node_modules/typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "-p", from("tsconfig.build.json")], { stdio: "inherit" });
// The compiler rewrites ".ts" in JavaScript, but not in declarations.
for (const name of readdirSync(from("dist"), { recursive: true })) {
  if (!name.endsWith(".d.ts")) continue;
  const text = readFileSync(from("dist", name), "utf8");
  writeFileSync(from("dist", name), text.replace(/(["']\.{1,2}\/[^"']+)\.ts(["'])/g, "$1.js$2"));
}
copyFileSync(from("../../LICENSE"), from("dist/LICENSE"));
const inner = {
  type: "module",
  sideEffects: false,
  imports: {
    "#fixes": { node: "./gen/fixes.js", default: "./fixes-browser.js" },
    "#socket": { node: "./socket-node.js", default: "./socket-browser.js" },
  },
};
writeFileSync(from("dist/package.json"), `${JSON.stringify(inner, null, 2)}\n`);
