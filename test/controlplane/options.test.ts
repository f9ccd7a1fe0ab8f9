import { expect, test } from "vitest";
import {
  CONTROL_PLANE_DEFAULTS,
  type ControlPlaneOptions,
  validateControlPlaneOptions,
} from "../../controlplane/options.ts";

test("CONTROL_PLANE_DEFAULTS: are these, and valid", () => {
  expect(CONTROL_PLANE_DEFAULTS).toEqual({
    name: "controlplane",
    host: "127.0.0.1",
    port: 9090,
    authJwtKeyFile: "",
    authJwksFile: "",
    authJwtIssuer: "",
    authJwtAudience: "",
    tlsCertFile: "",
    tlsKeyFile: "",
    tlsCaFile: "",
    ownGatewayId: "",
    messageBytesMax: 131_072,
    callCountMax: 1000,
    classPageMax: 1000,
    historyPageMax: 500,
    drainTimeoutMs: 2000,
    balances: true,
    balanceGapPercent: 30,
    balanceRateMax: 50,
    scaleTriggerPercent: 80,
  });
  expect(validateControlPlaneOptions({})).toEqual(CONTROL_PLANE_DEFAULTS);
});

test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("options: host %s is taken", (host) => {
  expect(validateControlPlaneOptions({ host }).host).toBe(host);
});

test.each(["0.0.0.0", "::", "10.0.0.1", "", "example.com", "127.0.0.1.example.com"])(
  "options: host %j is refused without access control, and taken with it",
  (host) => {
    expect(() => validateControlPlaneOptions({ host })).toThrow(
      /^\[OPTION_INVALID\] control plane host is .* callers must prove who they are/,
    );
    const own = { tlsCertFile: "c", tlsKeyFile: "k" };
    expect(() => validateControlPlaneOptions({ host, ...own })).toThrow("prove who they are");
    for (const access of [
      { authJwtKeyFile: "key" },
      { authJwksFile: "keys" },
      { tlsCaFile: "ca", ...own },
    ]) {
      expect(validateControlPlaneOptions({ host, ...access }).host).toBe(host);
    }
  },
);

test.each<[Partial<ControlPlaneOptions>, string]>([
  [{ authJwtKeyFile: "a", authJwksFile: "b" }, "are both set"],
  [{ authJwtIssuer: "a" }, "CONTROL_AUTH_JWT_ISSUER and _AUDIENCE are of tokens"],
  [{ tlsCaFile: "a", tlsCertFile: "c", tlsKeyFile: "k", authJwtAudience: "x" }, "are of tokens"],
  [{ tlsCertFile: "a" }, "belong together"],
  [{ tlsKeyFile: "a" }, "belong together"],
  [{ tlsCaFile: "a" }, "needs CONTROL_TLS_CERT_FILE"],
])("options: %j is refused, for what belongs together", (bad, text) => {
  expect(() => validateControlPlaneOptions(bad)).toThrow(text);
});

test.each([
  [{ port: -1 }, "port is -1, not a whole number from 0 to 65535"],
  [{ port: 65_536 }, "port is 65536"],
  [{ port: 1.5 }, "port is 1.5"],
  [{ port: Number.NaN }, "port is NaN"],
  [{ messageBytesMax: 65_535 }, "messageBytesMax is 65535, not a whole number from 65536"],
  [{ callCountMax: 0 }, "callCountMax is 0"],
  [{ classPageMax: 1001 }, "classPageMax is 1001"],
  [{ historyPageMax: 501 }, "historyPageMax is 501"],
  [{ drainTimeoutMs: 60_001 }, "drainTimeoutMs is 60001"],
])("options: %j is refused with name, value and bound", (bad, text) => {
  expect(() => validateControlPlaneOptions(bad)).toThrow(`[OPTION_INVALID] control plane ${text}`);
});
