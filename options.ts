/**
 * Options of the all-in-one: one table for environment, flags, `--help` and docs/options.md.
 *
 * Reading is pure (environment and arguments are given); main.ts does the rest. Bounds are checked
 * again by each part's own validateXOptions; here they make the message name the option.
 */
import { parseArgs } from "node:util";
import { AUTH_ROWS } from "./auth-options.ts";
import { EMBEDDED_BUS_DEFAULTS as BUS } from "./bus/embedded/options.ts";
import { NATS_BUS_DEFAULTS as NATS } from "./bus/nats/options.ts";
import { SHARD_BOUNDS } from "./bus/shard-limits.ts";
import { CONTROL_PLANE_DEFAULTS as CONTROL } from "./controlplane/options.ts";
import { GATEWAY_DEFAULTS as GATEWAY } from "./gateway/options.ts";
import { GUARD_ROWS } from "./guard-options.ts";
import {
  checkValue,
  choice,
  describeKind,
  integer,
  list,
  type OptionRow,
  row,
  text,
} from "./option-kind.ts";
import { checkTogether, readList } from "./option-rules.ts";
import { CodedError } from "./proto/coded-error.ts";
import { TELEMETRY_ROWS } from "./telemetry-options.ts";

/** Every option, in the order of `--help`. */
export const OPTIONS = [
  row(
    "PARTS",
    choice("all", "gateway", "controlplane"),
    "all",
    "What this process runs; one part alone needs NATS_URL.",
  ),
  row("PORT", integer(0, 65_535), GATEWAY.port, "Port of WebSocket and HTTP; 0 takes a free one."),
  row("HOST", text, GATEWAY.host, "Address of WebSocket and HTTP; beyond loopback AUTH is needed."),
  row("CONTROL_PORT", integer(0, 65_535), 9090, "Port of the control plane's gRPC; 0: a free one."),
  row(
    "CONTROL_HOST",
    text,
    "127.0.0.1",
    "Address of the control plane's gRPC; beyond loopback callers must prove who they are.",
  ),
  row(
    "CONTROL_AUTH_JWT_KEY_FILE",
    text,
    "",
    "Key of operators' and gateways' tokens: PEM public keys, or an HMAC secret.",
  ),
  row("CONTROL_AUTH_JWKS_FILE", text, "", "A JSON Web Key Set instead, of public keys."),
  row("CONTROL_AUTH_JWT_ISSUER", text, "", "The iss that these tokens must have; empty: any."),
  row("CONTROL_AUTH_JWT_AUDIENCE", text, "", "The aud that these tokens must have; empty: any."),
  row("CONTROL_TLS_CERT_FILE", text, "", "PEM certificate of this process in gRPC calls."),
  row("CONTROL_TLS_KEY_FILE", text, "", "PEM private key of CONTROL_TLS_CERT_FILE."),
  row("CONTROL_TLS_CA_FILE", text, "", "PEM authority of the other end; callers must be of it."),
  row(
    "CONTROL_URL",
    list,
    "",
    "host:port of control planes that the gateway follows; empty: the one of this process, if any.",
  ),
  row("CONTROL_TOKEN_FILE", text, "", "For CONTROL_URL: bearer token of role gateway."),
  row(
    "WORKERS",
    integer(1, 64),
    1,
    "Gateway processes on PORT, each a gateway of its own; more than 1 needs NATS_URL.",
  ),
  row(
    "ADMIN_PORT",
    integer(0, 65_535),
    0,
    "Port of health, metrics and page, which PORT then has no more; 0: none, or a free one by WORKERS.",
  ),
  row("ADMIN_HOST", text, "127.0.0.1", "Address of ADMIN_PORT."),
  row("DATA_DIR", text, BUS.dataDir, "Folder of durable rooms and settings; one process uses it."),
  ...AUTH_ROWS,
  row("ALLOWED_ORIGINS", list, "", "Origins of web pages that may connect beside our own; * any."),
  row("ALLOWED_HOSTS", list, "", "Host names that requests may name beside loopback; * any."),
  row(
    "FRAME_BYTES_MAX",
    integer(1024, 1024 * 1024),
    GATEWAY.frameBytesMax,
    "Bytes of one client frame; beyond it: close 1009 FRAME_TOO_LARGE.",
  ),
  row(
    "ROOM_COUNT_MAX",
    integer(1, 4096),
    GATEWAY.roomCountMax,
    "Rooms joined on one connection; beyond it: ROOM_LIMIT.",
  ),
  row(
    "IN_FLIGHT_MAX",
    integer(1, 65_536),
    GATEWAY.inFlightMax,
    "Unanswered requests of one connection; beyond it: IN_FLIGHT_LIMIT.",
  ),
  row(
    "BACKPRESSURE_BYTES_MAX",
    integer(16 * 1024, 16 * 1024 * 1024),
    GATEWAY.backpressureBytesMax,
    "Bytes waiting for one slow socket; beyond it: the class's slow-member policy.",
  ),
  row(
    "CONNECTION_COUNT_MAX",
    integer(1, 1_000_000),
    GATEWAY.connectionCountMax,
    "Connections at once; beyond it: close 1013 TOO_MANY_CONNECTIONS.",
  ),
  row(
    "ADVERTISE_URL",
    text,
    GATEWAY.advertiseUrl,
    "Where clients reach this gateway and no other, such as wss://gw1.example.com/ws: they are moved " +
      "there when others drain.",
  ),
  row(
    "DIRECT_PORT",
    integer(0, 65_535),
    GATEWAY.directPort,
    "A port of its own for each worker, the first one's; the next have the next ones; 0: none.",
  ),
  row(
    "DRAIN_ANNOUNCE_MS",
    integer(0, 300_000),
    GATEWAY.drainAnnounceMs,
    "Milliseconds that a gateway still accepts after SIGTERM, while it is not ready.",
  ),
  row(
    "DRAIN_DEADLINE_MS",
    integer(0, 3_600_000),
    GATEWAY.drainDeadlineMs,
    "Milliseconds after SIGTERM when clients that have not moved are closed; 0: all at once.",
  ),
  row(
    "DRAIN_RATE_MAX",
    integer(1, 100_000),
    GATEWAY.drainRateMax,
    "Reconnects a second that gateways which drain cause together.",
  ),
  row("BALANCE", choice("on", "off"), "on", "Whether clients are moved to emptier gateways."),
  row(
    "BALANCE_GAP_PERCENT",
    integer(5, 100),
    CONTROL.balanceGapPercent,
    "It begins when a gateway has this part less than its share of the connections.",
  ),
  row(
    "BALANCE_RATE_MAX",
    integer(1, 10_000),
    CONTROL.balanceRateMax,
    "Reconnects a second that the balance causes.",
  ),
  row(
    "SCALE_TRIGGER_PERCENT",
    integer(10, 95),
    CONTROL.scaleTriggerPercent,
    "Utilisation above which `tidegatectl fleet` and /metrics want more gateways or shards.",
  ),
  row(
    "HANDSHAKE_MS",
    integer(100, 60_000),
    GATEWAY.handshakeMs,
    "Milliseconds from open to Hello; after it: close 4001 HELLO_TIMEOUT.",
  ),
  row(
    "IDLE_TIMEOUT_S",
    integer(8, 960),
    GATEWAY.idleTimeoutS,
    "Seconds of silence (no frame, no pong) after which a connection is closed.",
  ),
  row(
    "HISTORY_PAGE_MAX",
    integer(1, 500),
    GATEWAY.historyPageMax,
    "Messages of one history page; a larger limit is lowered to it.",
  ),
  row(
    "SEAT_HOLD_MS",
    integer(1000, 600_000),
    GATEWAY.seatHoldMs,
    "Milliseconds that the seats of a broken connection wait for its client to come back.",
  ),
  ...GUARD_ROWS,
  row("TLS_CERT_FILE", text, "", "PEM certificate chain of clients' TLS; read again on a change."),
  row("TLS_KEY_FILE", text, "", "PEM private key of TLS_CERT_FILE."),
  row("TRUSTED_PROXIES", list, "", "Networks whose X-Forwarded-For (or PROXY v2) is believed."),
  row("PROXY_PROTOCOL", choice("off", "v2"), "off", "How TRUSTED_PROXIES say clients' addresses."),
  row(
    "ADDRESS_CONNECT_RATE_MAX",
    integer(0, 100_000),
    GATEWAY.addressConnectRateMax,
    "Connections a second from one address, ten seconds' worth at once; then HTTP 429. 0: any.",
  ),
  row(
    "ROOM_MESSAGE_COUNT_MAX",
    integer(1, 1_000_000),
    BUS.roomMessageCountMax,
    "Newest messages stored of each durable room; older ones are deleted.",
  ),
  row(
    "RETENTION_MS",
    integer(60_000, 2_592_000_000),
    BUS.retentionMs,
    "Milliseconds after which stored messages are deleted, at most 30 days.",
  ),
  row(
    "STORE_BYTES_MAX",
    integer(1024 ** 2, 1024 ** 4),
    BUS.storeBytesMax,
    "Bytes of the store; beyond it publishes are refused with STORE_FULL, reads go on.",
  ),
  row(
    "JOURNAL_BYTES_MAX",
    integer(0, 1024 ** 4),
    BUS.journalBytesMax,
    "Bytes of what is written down for `tidegatectl explain`, for a day; 0: nothing, else 16 MiB or more.",
  ),
  row("NATS_URL", list, "", "nats://host:port of NATS servers; empty: the embedded bus."),
  row("NATS_CREDS_FILE", text, "", "For NATS_URL: credentials file of the NATS account."),
  row("NATS_TOKEN", text, "", "For NATS_URL: token; better in the environment than as a flag."),
  row("NATS_USER", text, "", "For NATS_URL: user name."),
  row("NATS_PASSWORD", text, "", "For NATS_URL: password of NATS_USER; never printed."),
  row("NATS_TLS_CA_FILE", text, "", "For NATS_URL: PEM certificates that servers' must lead to."),
  row("NATS_TLS_CERT_FILE", text, "", "For NATS_URL: PEM certificate to show to servers (mTLS)."),
  row("NATS_TLS_KEY_FILE", text, "", "For NATS_URL: PEM private key of NATS_TLS_CERT_FILE."),
  row(
    "SHARD_COUNT",
    integer(1, 256),
    NATS.shardCount,
    "For NATS_URL: streams that durable rooms are spread over; decided at the first start.",
  ),
  row(
    "REPLICA_COUNT",
    integer(1, 5),
    NATS.replicaCount,
    "For NATS_URL: copies of each new stream, 1, 3 or 5; production wants 3.",
  ),
  row(
    "SHARD_BYTES_MAX",
    integer(SHARD_BOUNDS.shardBytesMax[0], SHARD_BOUNDS.shardBytesMax[1]),
    NATS.shardBytesMax,
    "For NATS_URL: bytes of each new stream; beyond 95 % publishes are refused with STORE_FULL.",
  ),
  row(
    "PLACEMENT_TAGS",
    list,
    "",
    "For NATS_URL: tags that servers must have to hold a copy of a new stream.",
  ),
  row(
    "SHARD_SETTINGS_FILE",
    text,
    "",
    "For NATS_URL: JSON file that changes the settings of shards; see docs/nats.md.",
  ),
  row(
    "DEDUPE_WINDOW_MS",
    integer(3000, NATS.dedupeWindowMs),
    NATS.dedupeWindowMs,
    "For NATS_URL: milliseconds a publish's name is remembered, decided at the first start; " +
      "less only where a test freezes servers.",
  ),
  row("GATEWAY_ID", text, "", "Name of this gateway, [a-z0-9-], at most 32; empty: a random one."),
  row(
    "REGION",
    text,
    GATEWAY.region,
    "Where this process stands, [a-z0-9-], at most 32, such as eu-west-1; for operators and drains.",
  ),
  ...TELEMETRY_ROWS,
  row("PAGE", choice("on", "off"), "on", "Whether the demo page is served at /."),
  row(
    "LOG_LEVEL",
    choice("debug", "info", "warn", "error"),
    "info",
    "Least level that is logged; tidegatectl log-level changes it for a while.",
  ),
  row("LOG_FORMAT", choice("text", "json"), "text", "json also prints readiness as one JSON line."),
] as const satisfies readonly OptionRow[];

/** Names of options. */
export type OptionName = (typeof OPTIONS)[number]["name"];

/** Every option's value, checked. */
export interface OptionValues {
  /** The value of an integer option. */
  integer(name: OptionName): number;
  /** The value of a text or choice option. */
  text(name: OptionName): string;
  /** The entries of a list option. */
  list(name: OptionName): string[];
}

/** The flag of an option, e.g. "--data-dir". */
export function optionFlag(name: string): string {
  return `--${name.toLowerCase().replaceAll("_", "-")}`;
}

/**
 * Reads all options; a flag wins over the environment, which wins over the default.
 *
 * @param environment e.g. process.env.
 * @param args e.g. process.argv.slice(2).
 * @throws {CodedError} `OPTION_INVALID` naming the option, its value and its bounds.
 */
export function readOptions(
  environment: Readonly<Record<string, string | undefined>>,
  args: readonly string[],
): OptionValues {
  const flags = readFlags(args);
  const values = new Map<string, string>();
  for (const option of OPTIONS) {
    const flag = flags[optionFlag(option.name).slice(2)];
    const value = flag ?? environment[option.name] ?? option.default;
    checkValue(option, value);
    values.set(option.name, value);
  }
  const read = (name: OptionName) => values.get(name) ?? "";
  checkTogether(read);
  return {
    integer: (name) => Number(read(name)),
    text: read,
    list: (name) => readList(read(name)),
  };
}

/** The text of `--help`. */
export function helpText(): string {
  const rows = OPTIONS.map((option) => {
    const flag = `${optionFlag(option.name)} `.padEnd(27);
    const shown = option.default === "" ? "none" : option.default;
    return `  ${flag}${option.meaning}\n${" ".repeat(29)}(${describeKind(option.kind)}; ${shown})`;
  });
  return `Tidegate all-in-one: gateway, control plane and embedded bus in one process.

Usage: npm start -- [options]
Each option is a flag or an environment variable: --data-dir x, or DATA_DIR=x.

${rows.join("\n")}
  --help                     Prints this.
`;
}

function readFlags(args: readonly string[]): Record<string, string | undefined> {
  const known = Object.fromEntries(
    OPTIONS.map((option) => [optionFlag(option.name).slice(2), { type: "string" as const }]),
  );
  try {
    return parseArgs({ args: [...args], options: known, strict: true }).values;
  } catch (error) {
    // A word that stands alone beside a secret's flag may be the secret itself.
    const isSecret = args.some((arg) => /^--nats-(password|token)\b/.test(arg));
    const isWord = (error as { code?: string }).code === "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL";
    if (isSecret && isWord) {
      const detail = "an argument stands alone, not after a flag; --help lists all options";
      throw new CodedError("OPTION_INVALID", detail);
    }
    const reason = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new CodedError("OPTION_INVALID", `${reason}; --help lists all options`, error);
  }
}
