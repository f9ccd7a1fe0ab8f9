/**
 * What a process says on stdout when it is ready: lines for people, or one line of JSON.
 */

/** Where what is. */
export interface Addresses {
  /** Host of clients, as the option says. */
  readonly host: string;
  /** Null for a process without a gateway. */
  readonly port: number | null;
  /** Whether clients speak TLS. */
  readonly hasTls: boolean;
  /** "host:port"; null without a control plane. */
  readonly grpc: string | null;
  /** "http://host:port" of health; null when PORT alone has it. */
  readonly admin: string | null;
  /** Where messages are kept, for people. */
  readonly store: string;
  /** Processes of this one, with WORKERS. */
  readonly children: readonly { readonly id: string; readonly pid: number | null }[];
}

/** What is said besides. */
export interface Announcement {
  readonly isJson: boolean;
  readonly hasPage: boolean;
  /** Whether ADMIN_PORT is set: then the page is there, and not where clients connect. */
  readonly hasAdminPort: boolean;
  readonly isNats: boolean;
  readonly auth: string;
  readonly version: string;
  readonly readyMs: number;
}

/** The text for stdout. */
export function announcement(addresses: Addresses, more: Announcement): string {
  const { host, port, hasTls, grpc, admin, store, children } = addresses;
  const { readyMs, auth } = more;
  const http = port === null ? null : `http${hasTls ? "s" : ""}://${bracketed(host)}:${port}`;
  const url = http === null ? null : `${http.replace("http", "ws")}/ws`;
  if (more.isJson) {
    const { pid } = process;
    const line = { ready: true, url, http, grpc, admin, dataDir: store, readyMs, pid, children };
    return `${JSON.stringify(line)}\n`;
  }
  const rows: [string, string | null][] = [
    ["page", more.hasPage && http !== null ? `${more.hasAdminPort ? admin : http}/` : null],
    ["WebSocket", url],
    ["gRPC", grpc],
    ["health", admin === null ? null : `${admin}/health, /metrics`],
    ["processes", children.length === 0 ? null : `${children.length}, and this one`],
    [more.isNats ? "bus" : "data", store],
    [
      "open to",
      auth === "none"
        ? "everyone on this machine, no one else (AUTH=none, loopback only)"
        : `holders of a token (AUTH=${auth})`,
    ],
  ];
  const shown = rows.flatMap(([name, value]) =>
    value === null ? [] : [`  ${name.padEnd(12)}${value}`],
  );
  return `
  Tidegate ${more.version} is ready, ${readyMs} ms after its start.

${shown.join("\n")}

  try this    cli/bin/tidegatectl sub chat:lobby
              echo hello | cli/bin/tidegatectl pub chat:lobby

`;
}

/** A host as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
