/**
 * The address under which clients reach one gateway and no other.
 *
 * Pure.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { URL_BYTES_MAX } from "./peer.ts";

/** What decides it. */
export interface AdvertiseFacts {
  /** ADVERTISE_URL; empty for none. */
  readonly url: string;
  readonly host: string;
  /** DIRECT_PORT; 0 for none. */
  readonly directPort: number;
  /** Workers of the process. */
  readonly workerCount: number;
  /** Whether the gateway speaks TLS itself. */
  readonly hasTls: boolean;
}

/**
 * The address of a worker.
 *
 * @param worker from 0.
 * @returns empty where it has none: clients are moved through the address they use.
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function decideAdvertiseUrl(facts: AdvertiseFacts, worker: number): string {
  const { url, host, directPort, workerCount } = facts;
  if (url === "" && directPort === 0) return "";
  if (url === "") {
    if (["0.0.0.0", "::", ""].includes(host)) {
      const detail =
        `DIRECT_PORT is ${directPort} and HOST "${host}" is no address that clients could use: ` +
        "set ADVERTISE_URL to one, such as wss://gw1.example.com/ws";
      throw new CodedError("OPTION_INVALID", detail);
    }
    const name = host.includes(":") ? `[${host}]` : host;
    return `${facts.hasTls ? "wss" : "ws"}://${name}:${directPort + worker}/ws`;
  }
  checkUrl(url);
  if (directPort === 0) {
    if (workerCount === 1) return url;
    const detail =
      `ADVERTISE_URL is set and WORKERS is ${workerCount}: a port that workers share reaches any ` +
      "of them, also one that drains; set DIRECT_PORT, and worker i is reached at DIRECT_PORT + i";
    throw new CodedError("OPTION_INVALID", detail);
  }
  const direct = new URL(url);
  direct.port = String(directPort + worker);
  return direct.href;
}

function checkUrl(url: string): void {
  const isUrl = /^wss?:\/\/[^/]/.test(url) && URL.canParse(url) && !/[#?]/.test(url);
  if (isUrl && url.length <= URL_BYTES_MAX) return;
  const shown = JSON.stringify(url.slice(0, URL_BYTES_MAX));
  const detail =
    `ADVERTISE_URL is ${shown}, must be a WebSocket URL of at most ${URL_BYTES_MAX} bytes without ` +
    "query, such as wss://gw1.example.com/ws";
  throw new CodedError("OPTION_INVALID", detail);
}
