/** Options of a gateway: all defaults, and every wrong value refused with its name and bounds. */
import { expect, test } from "vitest";
import { GATEWAY_DEFAULTS, validateGatewayOptions } from "../../gateway/options.ts";

test("defaults: all of them", () => {
  const defaults = {
    host: "127.0.0.1",
    port: 8080,
    sharesPort: false,
    frameBytesMax: 65_536,
    roomCountMax: 256,
    inFlightMax: 1024,
    backpressureBytesMax: 65_536,
    connectionCountMax: 100_000,
    region: "",
    advertiseUrl: "",
    directPort: 0,
    drainAnnounceMs: 5000,
    drainDeadlineMs: 30_000,
    drainRateMax: 1000,
    handshakeMs: 5000,
    idleTimeoutS: 30,
    historyPageMax: 500,
    seatHoldMs: 45_000,
    blockMs: 60_000,
    admission: "paced",
    memoryMibMax: 0,
    trustedProxies: [],
    proxyProtocol: false,
    answersHttp: true,
    pagePort: 0,
    tlsCertFile: "",
    tlsKeyFile: "",
    addressConnectRateMax: 100,
    allowedOrigins: [],
    allowedHosts: [],
    authCookie: "",
    anonymousTenant: "",
  };
  expect(GATEWAY_DEFAULTS).toEqual(defaults);
  expect(validateGatewayOptions({})).toEqual(defaults);
});

test("validateGatewayOptions: what is given replaces the default, and nothing else changes", () => {
  const options = validateGatewayOptions({ port: 0, historyPageMax: 7, allowedOrigins: ["*"] });
  expect(options).toEqual({
    ...GATEWAY_DEFAULTS,
    port: 0,
    historyPageMax: 7,
    allowedOrigins: ["*"],
  });
});

test.each(["", "5", null, Number.NaN, Number.POSITIVE_INFINITY, 1.5, -1, 2 ** 31])(
  "validateGatewayOptions: %j is no number of anything",
  (value) => {
    const names = Object.entries(GATEWAY_DEFAULTS).flatMap(([name, given]) =>
      typeof given === "number" ? [name] : [],
    );
    expect(names.length).toBe(18);
    for (const name of names) {
      const attempt = () => validateGatewayOptions({ [name]: value });
      expect(attempt).toThrow("[OPTION_INVALID]");
      expect(attempt).toThrow(`${name} is ${value}, must be `);
    }
  },
);
