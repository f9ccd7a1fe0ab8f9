/**
 * Plain HTTP beside the WebSocket: health, and the demo page when one is given.
 *
 * With an admin port both live there, and here every request that is no upgrade ends its
 * connection unanswered: why stands in edge/front-door.ts.
 */
import type { HttpRequest, HttpResponse, TemplatedApp } from "uWebSockets.js";
import { decideHost, type HostRules } from "./host-check.ts";
import type { Log } from "./log.ts";

/** What /health tells. */
export interface Health {
  /**
   * "ok", which alone is ready; "starting" (its configuration has not come), "degraded" (serving,
   * but the bus is away), "full" (CONNECTION_COUNT_MAX), "draining" or "stopping".
   */
  readonly status: "ok" | "starting" | "degraded" | "full" | "draining" | "stopping";
  readonly [detail: string]: unknown;
}

/** A file of the page. */
export interface PageFile {
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** Gives the page's file for a path such as "/" or "/app.js", or null. */
export type PageSource = (path: string) => Promise<PageFile | null>;

/** Headers of every file of the page beside its type. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-cache",
  "X-Content-Type-Options": "nosniff",
  "Content-Security-Policy":
    "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; " +
    "img-src 'self' data:; frame-ancestors 'none'",
};

/** What HTTP needs of the gateway. */
export interface HttpParts {
  readonly health: () => Health;
  /** The status alone: probes ask often, and all of the health costs more. */
  readonly status: () => Health["status"];
  readonly page: PageSource | null;
  /** Whether anything but upgrades is answered at all. */
  readonly answersHttp: boolean;
  /** Who may be named by Host: what is told here is not for a page that rebinds its name to us. */
  readonly hostRules: HostRules;
  readonly log: Log;
}

/** Routes everything that is not the WebSocket. */
export function routeHttp(app: TemplatedApp, parts: HttpParts): void {
  if (!parts.answersHttp) {
    app.any("/*", (res) => {
      res.close();
    });
    return;
  }
  app.get("/livez", (res) => sendText(res, "200 OK", "ok\n"));
  app.get("/readyz", (res) => {
    const status = parts.status();
    sendText(res, status === "ok" ? "200 OK" : "503 Service Unavailable", `${status}\n`);
  });
  app.get("/health", (res, req) => {
    if (isHostRefused(res, req, parts)) return;
    const health = parts.health();
    res.cork(() => {
      res.writeStatus(health.status === "ok" ? "200 OK" : "503 Service Unavailable");
      res.writeHeader("Content-Type", "application/json");
      res.end(`${JSON.stringify(health, null, 2)}\n`);
    });
  });
  app.any("/*", (res, req) => {
    const isRead = req.getMethod() === "get" || req.getMethod() === "head";
    if (isHostRefused(res, req, parts)) return;
    if (parts.page === null || !isRead) sendText(res, "404 Not Found", "not found\n");
    else sendPage(res, req.getUrl(), parts.page, parts.log);
  });
}

/**
 * Answers 403 when Host names somebody else. Probes (/livez, /readyz) may call us what they like.
 */
function isHostRefused(res: HttpResponse, req: HttpRequest, parts: HttpParts): boolean {
  const refusal = decideHost(parts.hostRules, req.getHeader("host"), "");
  if (refusal !== null) sendText(res, "403 Forbidden", `[${refusal.code}] ${refusal.detail}\n`);
  return refusal !== null;
}

function sendText(res: HttpResponse, status: string, text: string): void {
  res.cork(() => {
    res.writeStatus(status);
    res.writeHeader("Content-Type", "text/plain; charset=utf-8");
    res.end(text);
  });
}

function sendPage(res: HttpResponse, path: string, page: PageSource, log: Log): void {
  let isAborted = false;
  res.onAborted(() => {
    isAborted = true;
  });
  page(path).then(
    (file) => {
      if (isAborted) return;
      if (file === null) {
        sendText(res, "404 Not Found", "not found\n");
        return;
      }
      res.cork(() => {
        res.writeHeader("Content-Type", file.contentType);
        for (const [name, value] of Object.entries(PAGE_HEADERS)) res.writeHeader(name, value);
        res.end(file.body);
      });
    },
    (error: unknown) => {
      log.error({ error, path }, "the page failed");
      if (!isAborted) sendText(res, "500 Internal Server Error", "the page failed; see the log\n");
    },
  );
}
