/**
 * The demo page's files, by path.
 *
 * The script is bundled from our own SDK by esbuild on the first request and kept, so that a
 * gateway whose page nobody opens pays nothing and there is no build step to forget. Editing the
 * page wants a restart.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { PageFile, PageSource } from "../../gateway/http.ts";

const folder = import.meta.dirname;

/** The file for a path of the page ("/" is index.html), or null. */
export const pageFile: PageSource = openPage();

/** A page of its own memory: each file is read, and the script bundled, at most once. */
export function openPage(): PageSource {
  const files: Readonly<Record<string, () => Promise<PageFile>>> = {
    "/": once(() => readText("index.html", "text/html")),
    "/style.css": once(() => readText("style.css", "text/css")),
    "/chat.css": once(() => readText("chat.css", "text/css")),
    "/proof.css": once(() => readText("proof.css", "text/css")),
    "/favicon.svg": once(() => readText("favicon.svg", "image/svg+xml")),
    "/app.js": once(() => bundle("browser/app.ts")),
  };
  return async (urlPath) =>
    Object.hasOwn(files, urlPath) ? ((await files[urlPath]?.()) ?? null) : null;
}

/**
 * The page itself, for a port that is not the clients'.
 *
 * @param scheme "ws" or "wss".
 */
export function withClientsAt(file: PageFile, scheme: string, port: number): PageFile {
  const place = `<meta name="clients" content="${scheme}:${port}">`;
  return { ...file, body: `${file.body}`.replace("</title>", `</title>\n  ${place}`) };
}

/** Calls once and remembers; a failure is not remembered, so that the next request tries again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = null;
      throw error;
    });
    return made;
  };
}

async function readText(name: string, type: string): Promise<PageFile> {
  const body = await readFile(path.join(folder, name), "utf8");
  return { contentType: `${type}; charset=utf-8`, body };
}

async function bundle(entry: string): Promise<PageFile> {
  const esbuild = await import("esbuild");
  const result = await esbuild.build({
    entryPoints: [path.join(folder, entry)],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
  });
  await esbuild.stop(); // its process would stay for as long as ours
  const [script] = result.outputFiles;
  if (script === undefined) throw new Error(`esbuild made nothing of ${entry}`);
  return { contentType: "text/javascript; charset=utf-8", body: script.contents };
}
