/**
 * HTTP for operators: /livez, /readyz, /health and /metrics of one process, or of a parent for its
 * children; and the demo page, which the clients' port does not have beside this one.
 */
import { createServer, get, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CodedError } from "../proto/coded-error.ts";
import {
  decideMetricFormat,
  METRIC_CONTENT_TYPES,
  type MetricFormat,
} from "../telemetry/metrics/render.ts";
import type { Child } from "./child.ts";
import type { ChildFacts, ChildHealth } from "./fleet-health.ts";

/** What an admin port tells. */
export interface AdminHealth {
  readonly isReady: boolean;
  /** /health as JSON; /readyz says its status. */
  readonly body: { readonly status: string; readonly [detail: string]: unknown };
}

/** A file of the page. */
export interface AdminFile {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** What an admin port needs. */
export interface AdminParts {
  health(): Promise<AdminHealth>;
  /** The text of /metrics; null where there is none. Rejects while it is not known. */
  metrics: ((format: MetricFormat) => Promise<string>) | null;
  /** The page's file for a path, or null; null for no page. */
  page: ((path: string) => Promise<AdminFile | null>) | null;
  /** Whether a request's Host header may be answered: a web page may have rebound its own name. */
  isHostAllowed(host: string): boolean;
}

/** A listening admin port. */
export interface Admin {
  readonly port: number;
  close(): Promise<void>;
}

/** A child that does not answer within this is silent, ms. */
const ASK_MS_MAX = 1000;

/**
 * Starts to listen.
 *
 * @param port 0 takes a free one.
 * @throws {CodedError} `ADDRESS_IN_USE`.
 */
export async function startAdmin(host: string, port: number, parts: AdminParts): Promise<Admin> {
  let pending: Promise<AdminHealth> | null = null; // one look for all that ask meanwhile
  const look = () => {
    pending ??= parts.health().finally(() => {
      pending = null;
    });
    return pending;
  };
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, text: string) => {
      response.writeHead(status, { "Content-Type": type });
      response.end(text);
    };
    const plain = "text/plain; charset=utf-8";
    const path = request.url ?? "";
    const isForAll = ["/livez", "/readyz", "/metrics"].includes(path);
    if (request.method !== "GET" && request.method !== "HEAD") {
      answer(405, plain, "GET and HEAD only\n");
    } else if (path === "/livez") {
      answer(200, plain, "ok\n");
    } else if (!isForAll && !parts.isHostAllowed(request.headers.host ?? "")) {
      answer(403, plain, "[HOST_REFUSED] this Host is not a name of this process\n");
    } else if (path === "/metrics" && parts.metrics !== null) {
      const format = decideMetricFormat(request.headers.accept);
      parts.metrics(format).then(
        (text) => answer(200, METRIC_CONTENT_TYPES[format], text),
        () => answer(503, plain, "the fleet can not be read now\n"),
      );
    } else if (path === "/readyz" || path === "/health") {
      void look().then(({ isReady, body }) => {
        const status = isReady ? 200 : 503;
        if (path === "/readyz") answer(status, plain, `${body.status}\n`);
        else answer(status, "application/json", `${JSON.stringify(body, null, 2)}\n`);
      });
    } else {
      void sendPage(parts.page, path, response, () => answer(404, plain, "not found\n"));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      const detail = `can not listen on ${host}:${port}; is ADMIN_PORT taken, or the host not ours?`;
      reject(new CodedError("ADDRESS_IN_USE", detail, error));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function sendPage(
  page: AdminParts["page"],
  path: string,
  response: ServerResponse,
  none: () => void,
): Promise<void> {
  // A page that can not be read is none: it is a demo, and its reader sees that.
  const file = (await page?.(path).catch(() => null)) ?? null;
  if (file === null) none();
  else response.writeHead(200, file.headers).end(file.body);
}

/** What is known of each child now, asked on their private ports side by side. */
export function askChildren(children: readonly Child[]): Promise<ChildFacts[]> {
  return Promise.all(
    children.map(async (child) => {
      const port = child.ready?.adminPort ?? 0;
      const health = port === 0 ? null : await askHealth(port);
      const { spec, state, pid, restartCount, lastEnd } = child;
      return { spec, state, pid, restartCount, lastEnd, health };
    }),
  );
}

/** /metrics of each child that answers. Rejects when none does. */
export async function askMetrics(
  children: readonly Child[],
  format: MetricFormat,
): Promise<string[]> {
  const ports = children.flatMap(({ ready }) => (ready === null ? [] : [ready.adminPort]));
  const texts = await Promise.allSettled(
    ports.map(async (port) => {
      const signal = AbortSignal.timeout(ASK_MS_MAX);
      const headers = { Accept: METRIC_CONTENT_TYPES[format] };
      const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers, signal });
      if (!response.ok) throw new CodedError("UNAVAILABLE", `a child says ${response.status}`);
      return response.text();
    }),
  );
  const told = texts.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  if (told.length === 0) throw new CodedError("UNAVAILABLE", "no child tells its metrics");
  return told;
}

/** Null when it does not answer. */
function askHealth(port: number): Promise<ChildHealth | null> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path: "/health", agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => resolve(parseHealth(Buffer.concat(parts).toString())));
      response.on("error", () => resolve(null));
    });
    request.on("error", () => resolve(null));
    request.setTimeout(ASK_MS_MAX, () => request.destroy(new Error("silent")));
  });
}

function parseHealth(text: string): ChildHealth | null {
  try {
    return JSON.parse(text) as ChildHealth;
  } catch {
    return null; // cut off: the child ended while it answered
  }
}
