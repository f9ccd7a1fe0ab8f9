import { expect, test } from "vitest";
import { parseRoomClassName, parseTenant } from "../../controlplane/resource-name.ts";

test("parseTenant: takes the tenant out of its name", () => {
  expect(parseTenant("tenants/acme-1", "parent")).toBe("acme-1");
});

test.each([
  "",
  "tenants",
  "tenants/",
  "tenants/A",
  "tenants/a/",
  "tenants/a/b",
  "x/a",
  "tenants/-a",
])("parseTenant: refuses %j and names the field", (parent) => {
  expect(() => parseTenant(parent, "parent")).toThrow(/^\[REQUEST_INVALID\] parent: /);
});

test("parseRoomClassName: takes both parts out", () => {
  const id = parseRoomClassName("tenants/a/roomClasses/chat", "name");
  expect(id).toEqual({ tenant: "a", class: "chat" });
});

test.each([
  "tenants/a/roomClasses/",
  "tenants/a/roomClasses/Chat",
  "tenants/a/roomClasses/chat/",
  "tenants/a/rooms/chat",
  "/tenants/a/roomClasses/chat",
  "tenants/a/roomClasses/1chat",
])("parseRoomClassName: refuses %j and names the field", (name) => {
  expect(() => parseRoomClassName(name, "name")).toThrow(/^\[REQUEST_INVALID\] name: /);
});

test("parseRoomClassName: a long name is cut in the error", () => {
  let text = "";
  try {
    parseRoomClassName("x".repeat(100_000), "name");
  } catch (error) {
    text = String(error);
  }
  expect(text).toContain("…");
  expect(text.length).toBeLessThan(400);
});
