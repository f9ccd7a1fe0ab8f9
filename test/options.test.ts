/** Options of the all-in-one: every default, every bound, and what wins over what. */
import { describe, expect, test } from "vitest";
import { validateGatewayOptions } from "../gateway/options.ts";
import { describeKind } from "../option-kind.ts";
import { helpText, OPTIONS, optionFlag, readOptions } from "../options.ts";

const defaults = {
  PARTS: "all",
  PORT: "8080",
  HOST: "127.0.0.1",
  CONTROL_PORT: "9090",
  CONTROL_HOST: "127.0.0.1",
  CONTROL_AUTH_JWT_KEY_FILE: "",
  CONTROL_AUTH_JWKS_FILE: "",
  CONTROL_AUTH_JWT_ISSUER: "",
  CONTROL_AUTH_JWT_AUDIENCE: "",
  CONTROL_TLS_CERT_FILE: "",
  CONTROL_TLS_KEY_FILE: "",
  CONTROL_TLS_CA_FILE: "",
  CONTROL_URL: "",
  CONTROL_TOKEN_FILE: "",
  WORKERS: "1",
  ADMIN_PORT: "0",
  ADMIN_HOST: "127.0.0.1",
  DATA_DIR: "data",
  AUTH: "none",
  AUTH_TOKENS_FILE: "",
  AUTH_JWT_KEY_FILE: "",
  AUTH_JWKS_FILE: "",
  AUTH_JWKS_URL: "",
  AUTH_JWT_ISSUER: "",
  AUTH_JWT_AUDIENCE: "",
  AUTH_JWT_CLAIMS: "",
  AUTH_COOKIE: "",
  ANONYMOUS_TENANT: "default",
  ALLOWED_ORIGINS: "",
  ALLOWED_HOSTS: "",
  FRAME_BYTES_MAX: "65536",
  ROOM_COUNT_MAX: "256",
  IN_FLIGHT_MAX: "1024",
  BACKPRESSURE_BYTES_MAX: "65536",
  CONNECTION_COUNT_MAX: "100000",
  ADVERTISE_URL: "",
  DIRECT_PORT: "0",
  DRAIN_ANNOUNCE_MS: "5000",
  DRAIN_DEADLINE_MS: "30000",
  DRAIN_RATE_MAX: "1000",
  BALANCE: "on",
  BALANCE_GAP_PERCENT: "30",
  BALANCE_RATE_MAX: "50",
  SCALE_TRIGGER_PERCENT: "80",
  HANDSHAKE_MS: "5000",
  IDLE_TIMEOUT_S: "30",
  HISTORY_PAGE_MAX: "500",
  SEAT_HOLD_MS: "45000",
  BLOCK_MS: "60000",
  ADMISSION: "paced",
  MEMORY_MIB_MAX: "0",
  TLS_CERT_FILE: "",
  TLS_KEY_FILE: "",
  TRUSTED_PROXIES: "",
  PROXY_PROTOCOL: "off",
  ADDRESS_CONNECT_RATE_MAX: "100",
  ROOM_MESSAGE_COUNT_MAX: "100000",
  RETENTION_MS: "2592000000",
  STORE_BYTES_MAX: "8589934592",
  JOURNAL_BYTES_MAX: "1073741824",
  NATS_URL: "",
  NATS_CREDS_FILE: "",
  NATS_TOKEN: "",
  NATS_USER: "",
  NATS_PASSWORD: "",
  NATS_TLS_CA_FILE: "",
  NATS_TLS_CERT_FILE: "",
  NATS_TLS_KEY_FILE: "",
  SHARD_COUNT: "4",
  REPLICA_COUNT: "1",
  SHARD_BYTES_MAX: "8589934592",
  PLACEMENT_TAGS: "",
  SHARD_SETTINGS_FILE: "",
  DEDUPE_WINDOW_MS: "30000",
  GATEWAY_ID: "",
  REGION: "",
  TRACE_RATIO: "0",
  TRACE_RING: "4096",
  OTEL_EXPORTER_OTLP_ENDPOINT: "",
  OTEL_METRIC_EXPORT_INTERVAL: "60000",
  OTEL_SERVICE_NAME: "tidegate",
  PAGE: "on",
  LOG_LEVEL: "info",
  LOG_FORMAT: "text",
};

test("defaults: all of them, as they would be written", () => {
  const found = Object.fromEntries(OPTIONS.map((option) => [option.name, option.default]));
  expect(found).toEqual(defaults);
  const values = readOptions({}, []);
  for (const { name, default: text } of OPTIONS) expect(values.text(name)).toBe(text);
});

test("readOptions: a flag beats the environment, which beats the default", () => {
  expect(readOptions({}, []).integer("PORT")).toBe(8080);
  expect(readOptions({ PORT: "81" }, []).integer("PORT")).toBe(81);
  expect(readOptions({ PORT: "81" }, ["--port", "82"]).integer("PORT")).toBe(82);
  expect(readOptions({ PORT: "81" }, ["--port=83"]).integer("PORT")).toBe(83);
  expect(readOptions({ UNKNOWN: "x", PATH: "/bin" }, []).integer("PORT")).toBe(8080);
});

test("readOptions: lists are parted by commas, trimmed, without empty entries", () => {
  const values = readOptions({ ALLOWED_ORIGINS: " https://a , ,http://b:1," }, []);
  expect(values.list("ALLOWED_ORIGINS")).toEqual(["https://a", "http://b:1"]);
  expect(values.list("ALLOWED_HOSTS")).toEqual([]);
});

describe("bounds", () => {
  const integers = OPTIONS.flatMap(({ name, kind }) =>
    kind.type === "integer" ? [{ name, min: kind.min, max: kind.max }] : [],
  );
  const choices = OPTIONS.flatMap((option) =>
    option.kind.type === "choice" ? [{ name: option.name, kind: option.kind }] : [],
  );

  test.each(integers)("$name: $min to $max, whole", ({ name, min, max }) => {
    for (const value of [min, max]) {
      const nats = { REPLICA_COUNT: "3", NATS_URL: "nats://127.0.0.1:4222" };
      const others = { ...nats, DRAIN_DEADLINE_MS: "3600000" };
      expect(readOptions({ ...others, [name]: String(value) }, []).integer(name)).toBe(value);
    }
    const wrong = [min - 1, max + 1, 1.5, "", " ", "x", "0x10", "1e3", "1_000", "NaN", "Infinity"];
    for (const value of [...wrong, `${min} `, `+${max}`, "9".repeat(400)]) {
      const attempt = () => readOptions({ [name]: String(value) }, []);
      expect(attempt).toThrow("[OPTION_INVALID]");
      expect(attempt).toThrow(`${name} is ${JSON.stringify(String(value))}`);
      expect(attempt).toThrow(`${min} to ${max}`);
    }
  });

  test.each(choices)("$name: one of its choices", ({ name, kind }) => {
    for (const wrong of ["", "NONE", "other", `${kind.choices[0]} `]) {
      const attempt = () => readOptions({}, [optionFlag(name), wrong]);
      expect(attempt).toThrow(`${name} is ${JSON.stringify(wrong)}, must be one of`);
      expect(attempt).toThrow(describeKind(kind));
    }
  });

  test("the gateway's own bounds are the same", () => {
    const own = {
      port: "PORT",
      frameBytesMax: "FRAME_BYTES_MAX",
      roomCountMax: "ROOM_COUNT_MAX",
      inFlightMax: "IN_FLIGHT_MAX",
      backpressureBytesMax: "BACKPRESSURE_BYTES_MAX",
      connectionCountMax: "CONNECTION_COUNT_MAX",
      handshakeMs: "HANDSHAKE_MS",
      idleTimeoutS: "IDLE_TIMEOUT_S",
      historyPageMax: "HISTORY_PAGE_MAX",
      seatHoldMs: "SEAT_HOLD_MS",
      blockMs: "BLOCK_MS",
      memoryMibMax: "MEMORY_MIB_MAX",
      addressConnectRateMax: "ADDRESS_CONNECT_RATE_MAX",
    };
    for (const [field, name] of Object.entries(own)) {
      const bounds = integers.find((each) => each.name === name);
      if (bounds === undefined) throw new Error(`there is no option ${name}`);
      const { min, max } = bounds;
      for (const value of [min, max]) validateGatewayOptions({ [field]: value });
      for (const value of [min - 1, max + 1, min + 0.5, Number.NaN]) {
        const detail = `${field} is ${value}, must be ${min} to ${max}`;
        expect(() => validateGatewayOptions({ [field]: value })).toThrow(detail);
      }
    }
  });
});

describe("refused together, or not at all", () => {
  const natsWorkers = { WORKERS: "2", NATS_URL: "nats://127.0.0.1:4222" };

  test.each([
    ["an unknown flag", {}, ["--nonsense", "1"], "--nonsense"],
    ["a flag without a value", {}, ["--port"], "--port"],
    ["a word that is no flag", {}, ["start"], "start"],
    ["HOST=0.0.0.0 with AUTH=none", { HOST: "0.0.0.0" }, [], "AUTH"],
    ["HOST=:: with AUTH=none", { HOST: "::" }, [], "AUTH"],
    ["an empty HOST with AUTH=none", { HOST: "" }, [], "AUTH"],
    ["HOST=127.0.0.1.evil with AUTH=none", { HOST: "127.0.0.1.evil" }, [], "AUTH"],
    ["AUTH=static without a file", { AUTH: "static" }, [], "AUTH_TOKENS_FILE"],
    ["AUTH=jwt without a key", { AUTH: "jwt" }, [], "AUTH_JWT_KEY_FILE"],
    [
      "AUTH=jwt with keys from two places",
      { AUTH: "jwt", AUTH_JWT_KEY_FILE: "a", AUTH_JWKS_URL: "https://b" },
      [],
      "AUTH_JWKS_URL must be set; 2 are",
    ],
    ["a cookie of no name", { AUTH_COOKIE: "a b" }, [], "AUTH_COOKIE"],
    ["a bad tenant of anonymous clients", { ANONYMOUS_TENANT: "A" }, [], "ANONYMOUS_TENANT"],
    ["a certificate without its key", { NATS_TLS_CERT_FILE: "x" }, [], "NATS_TLS_KEY_FILE"],
    ["a key without its certificate", { NATS_TLS_KEY_FILE: "x" }, [], "NATS_TLS_CERT_FILE"],
    ["a gateway id with a dot", { GATEWAY_ID: "a.b" }, [], "GATEWAY_ID"],
    ["WORKERS=2 on the embedded bus", { WORKERS: "2" }, [], "NATS_URL"],
    ["WORKERS=2 of a control plane", { ...natsWorkers, PARTS: "controlplane" }, [], "gateways"],
    ["WORKERS=2 with a long id", { ...natsWorkers, GATEWAY_ID: "a".repeat(30) }, [], "GATEWAY_ID"],
    ["a gateway id of 33 letters", { GATEWAY_ID: "a".repeat(33) }, [], "GATEWAY_ID"],
  ] as const)("%s, naming it", (_name, environment, args, named) => {
    expect(() => readOptions(environment, args)).toThrow("[OPTION_INVALID]");
    expect(() => readOptions(environment, args)).toThrow(named);
  });

  test("HOST beyond loopback with a token file, and every loopback name without, are fine", () => {
    const environment = { HOST: "0.0.0.0", AUTH: "static", AUTH_TOKENS_FILE: "x" };
    expect(readOptions(environment, []).text("HOST")).toBe("0.0.0.0");
    for (const host of ["localhost", "127.0.0.1", "127.8.9.1", "::1"]) {
      expect(readOptions({ HOST: host }, []).text("HOST")).toBe(host);
    }
  });
});

test("helpText: every option with its flag, meaning, bounds and default", () => {
  const help = helpText();
  for (const option of OPTIONS) {
    expect(help).toContain(`${optionFlag(option.name)} `);
    expect(help).toContain(option.meaning);
    expect(help).toContain(describeKind(option.kind));
  }
});
