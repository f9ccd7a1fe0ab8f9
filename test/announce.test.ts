/** What a process says when it is ready: what is named is where it says. */
import { expect, test } from "vitest";
import { type Addresses, type Announcement, announcement } from "../announce.ts";

const addresses: Addresses = {
  ...{ host: "127.0.0.1", port: 8080, hasTls: false, grpc: "127.0.0.1:8081", admin: null },
  ...{ store: "data", children: [] },
};
const more: Announcement = {
  ...{ isJson: false, hasPage: true, hasAdminPort: false, isNats: false, auth: "none" },
  ...{ version: "1.0.0", readyMs: 300 },
};

test("the page is where clients connect, and on the admin port where there is one", () => {
  expect(announcement(addresses, more)).toMatch(/page +http:\/\/127\.0\.0\.1:8080\/\n/);
  const admin = "http://127.0.0.1:9000";
  const text = announcement({ ...addresses, admin }, { ...more, hasAdminPort: true });
  expect(text).toMatch(/page +http:\/\/127\.0\.0\.1:9000\/\n/);
  expect(text).toMatch(/health +http:\/\/127\.0\.0\.1:9000\/health, \/metrics\n/);
  // Workers have a private admin port each, and the page on the clients' port.
  expect(announcement({ ...addresses, admin }, more)).toMatch(/page +http:\/\/127.0.0.1:8080\//);
});

test("without a gateway there is no page, and JSON is one line", () => {
  const text = announcement({ ...addresses, port: null }, more);
  expect(text).not.toMatch(/page|WebSocket/);
  const line = announcement(addresses, { ...more, isJson: true });
  expect(JSON.parse(line)).toMatchObject({ ready: true, http: "http://127.0.0.1:8080" });
  expect(line.trimEnd()).not.toContain("\n");
});
