/**
 * Serves the browser consumer's page from a port of its own, as an application's web server would;
 * the gateway must allow that origin (ALLOWED_ORIGINS).
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

const html = `<!doctype html>
<title>Replay</title>
<script type="module" src="/consumer.js"></script>
`;

/** A page, served. */
export interface PageServer {
  /** "http://127.0.0.1:40001". */
  readonly origin: string;
  close(): Promise<void>;
}

/** Bundles the consumer and serves it on a free port of 127.0.0.1. */
export async function startPageServer(): Promise<PageServer> {
  const script = await bundleConsumer();
  const server = createServer((request, response) => {
    const isScript = request.url === "/consumer.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html; charset=utf-8");
    response.end(isScript ? script : html);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

async function bundleConsumer(): Promise<Uint8Array> {
  const esbuild = await import("esbuild");
  const result = await esbuild.build({
    entryPoints: [path.join(import.meta.dirname, "consumer-page.ts")],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
  });
  await esbuild.stop(); // its process would stay for as long as ours
  return result.outputFiles[0]?.contents ?? new Uint8Array(0);
}
