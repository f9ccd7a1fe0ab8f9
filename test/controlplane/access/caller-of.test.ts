/**
 * Who certificates and tokens speak for.
 */
import { expect, test } from "vitest";
import { callerOfCertificate, callerOfClaims } from "../../../controlplane/access/caller-of.ts";

const nowMs = Date.UTC(2026, 10, 22);
const later = "Nov 23 00:00:00 2026 GMT";

test("a certificate: CN is the principal, OU the role; a gateway's CN is its id", () => {
  const anna = { subject: { CN: "anna", OU: "operator", O: "x" }, valid_to: later };
  expect(callerOfCertificate(anna, "p", nowMs)).toEqual({
    ...{ principal: "anna", role: "operator", gatewayId: null, peer: "p" },
  });
  const gateway = { subject: { CN: "eu-1", OU: "gateway" }, valid_to: later };
  expect(callerOfCertificate(gateway, "p", nowMs)).toMatchObject({
    ...{ principal: "eu-1", role: "gateway", gatewayId: "eu-1" },
  });
});

test.each<[Record<string, unknown>, string, string]>([
  [{ CN: "anna" }, later, "OU must be viewer, operator, admin, gateway, and is none"],
  [{ CN: "anna", OU: "root" }, later, 'is "root"'],
  [{ CN: "anna", OU: "Admin" }, later, 'is "Admin"'],
  [{ CN: "anna", OU: ["viewer", "admin"] }, later, 'is ["viewer","admin"]'],
  [{ OU: "admin" }, later, "CN must be 1 to 128 printable"],
  [{ CN: "", OU: "admin" }, later, "CN must be"],
  [{ CN: "a\nb", OU: "admin" }, later, "CN must be"],
  [{ CN: "x".repeat(129), OU: "admin" }, later, "CN must be"],
  [{ CN: ["a", "b"], OU: "admin" }, later, "CN must be"],
  [{ CN: "EU 1", OU: "gateway" }, later, "CN must be a GATEWAY_ID"],
  [{ CN: "anna", OU: "admin" }, "Nov 21 00:00:00 2026 GMT", "was valid until Nov 21"],
  [{ CN: "anna", OU: "admin" }, "soon", "was valid until soon"],
])("a certificate %j valid to %s is refused: %s", (subject, valid_to, text) => {
  const making = () => callerOfCertificate({ subject, valid_to }, "p", nowMs);
  expect(making).toThrow(text);
  expect(making).toThrow("[CREDENTIALS_INVALID]");
});

test("a token: sub is the principal, tidegate_role the role", () => {
  expect(callerOfClaims({ sub: "bert", tidegate_role: "viewer" }, "p")).toEqual({
    ...{ principal: "bert", role: "viewer", gatewayId: null, peer: "p" },
  });
  expect(callerOfClaims({ sub: "gw-1", tidegate_role: "gateway" }, "p").gatewayId).toBe("gw-1");
});

test.each<[Record<string, unknown>, string]>([
  [{ sub: "a" }, "tidegate_role must be"],
  [{ sub: "a", role: "admin" }, "tidegate_role must be"],
  [{ sub: "a", tidegate_role: ["admin"] }, 'is ["admin"]'],
  [{ sub: "a", tidegate_role: "toString" }, 'is "toString"'],
  [{ tidegate_role: "admin" }, "sub must be"],
  [{ sub: 7, tidegate_role: "admin" }, "sub must be"],
  [{ sub: "GW_1", tidegate_role: "gateway" }, "sub must be a GATEWAY_ID"],
])("claims %j are refused: %s", (claims, text) => {
  expect(() => callerOfClaims(claims, "p")).toThrow(text);
});
