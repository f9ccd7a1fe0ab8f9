/**
 * Who may open a WebSocket from where: Host and Origin, decided before the upgrade.
 *
 * Pure. Any web page can open a socket to loopback, and can rebind its own name to our address; a
 * program that is no browser sends no Origin and may say what it likes, so this guards users, not
 * us.
 */
import type { ErrorCode } from "../proto/coded-error.ts";
import { isLoopback } from "../proto/loopback.ts";

/** What the check needs of the options. */
export interface HostRules {
  readonly host: string;
  readonly allowedOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
  /** Another port of the same host whose page may connect too; 0 for none. */
  readonly pagePort: number;
}

const loopbackNames = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Decides one request.
 *
 * @param hostHeader the Host header, empty if none.
 * @param originHeader the Origin header, empty if none.
 * @returns null when allowed, else the code and a sentence.
 */
export function decideHost(
  rules: HostRules,
  hostHeader: string,
  originHeader: string,
): { code: ErrorCode; detail: string } | null {
  const name = hostHeader.toLowerCase().replace(/:\d+$/, "");
  if (!isHostAllowed(rules, name)) {
    const detail = `Host ${quote(hostHeader)} is not a name of this gateway; ALLOWED_HOSTS adds names`;
    return { code: "HOST_REFUSED", detail };
  }
  if (originHeader === "" || rules.allowedOrigins.includes("*")) return null;
  const origin = originHeader.toLowerCase();
  const own = [hostHeader.toLowerCase()];
  if (rules.pagePort > 0) own.push(`${name}:${rules.pagePort}`);
  if (own.some((each) => origin === `http://${each}` || origin === `https://${each}`)) return null;
  if (rules.allowedOrigins.some((allowed) => allowed.toLowerCase() === origin)) return null;
  const detail = `Origin ${quote(originHeader)} may not connect; ALLOWED_ORIGINS adds origins`;
  return { code: "ORIGIN_REFUSED", detail };
}

function isHostAllowed(rules: HostRules, name: string): boolean {
  if (rules.allowedHosts.includes("*")) return true;
  if (rules.allowedHosts.some((allowed) => allowed.toLowerCase() === name)) return true;
  if (loopbackNames.includes(name) || name === rules.host.toLowerCase()) return true;
  return rules.allowedHosts.length === 0 && !isLoopback(rules.host);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
