/** Where clients reach one gateway and no other. */
import { expect, test } from "vitest";
import { decideAdvertiseUrl } from "../../../gateway/drain/advertise-url.ts";

const facts = { url: "", host: "127.0.0.1", directPort: 0, workerCount: 1, hasTls: false };
const wss = "wss://gw1.example.com/ws";

test.each([
  ["nothing is set", {}, ""],
  ["its own address", { url: wss }, wss],
  ["with a port of its own", { url: wss, directPort: 9000 }, "wss://gw1.example.com:9002/ws"],
  ["by the host that it listens on", { directPort: 9000 }, "ws://127.0.0.1:9002/ws"],
  ["by TLS", { directPort: 9000, hasTls: true }, "wss://127.0.0.1:9002/ws"],
  ["by an IPv6 host", { host: "::1", directPort: 9000 }, "ws://[::1]:9002/ws"],
])("decideAdvertiseUrl: %s", (_, given, wanted) => {
  expect(decideAdvertiseUrl({ ...facts, ...given }, 2)).toBe(wanted);
});

test.each([
  ["workers share the port", { url: wss, workerCount: 2 }, "DIRECT_PORT"],
  ["no address to give", { host: "0.0.0.0", directPort: 9000 }, "ADVERTISE_URL"],
  ["no WebSocket URL", { url: "https://a/ws" }, "ADVERTISE_URL"],
  ["a query", { url: "wss://a/ws?x=1" }, "ADVERTISE_URL"],
  ["too long", { url: `wss://${"a".repeat(300)}/ws` }, "256 bytes"],
])("decideAdvertiseUrl: refused: %s", (_, given, text) => {
  expect(() => decideAdvertiseUrl({ ...facts, ...given }, 0)).toThrow(text);
});
