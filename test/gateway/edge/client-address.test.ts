/** Who a client is, behind proxies that may be believed and clients that lie. */
import { expect, test } from "vitest";
import { decideClientAddress } from "../../../gateway/edge/client-address.ts";
import { parseAddress, parseNetwork } from "../../../gateway/edge/networks.ts";

const none = new Uint8Array(0);
const trusted = ["10.0.0.0/8", "2001:db8:1::/48"].flatMap((text) => parseNetwork(text) ?? []);

function decide(peer: string, forwarded: string, proxied = ""): string {
  const facts = {
    peer: parseAddress(peer) ?? none,
    proxied: parseAddress(proxied) ?? none,
    forwarded,
  };
  return decideClientAddress(facts, trusted);
}

test.each([
  ["nobody says anything", "203.0.113.9", "", "", ""],
  ["a client that forges the header itself", "203.0.113.9", "198.51.100.1", "", ""],
  ["a client that forges PROXY itself", "203.0.113.9", "", "198.51.100.1", ""],
  ["one proxy", "10.0.0.1", "203.0.113.9", "", "203.0.113.9"],
  [
    "one proxy, which appends to what the client forged",
    "10.0.0.1",
    "1.1.1.1, 203.0.113.9",
    "",
    "203.0.113.9",
  ],
  ["two proxies", "10.0.0.1", "203.0.113.9, 10.0.0.2", "", "203.0.113.9"],
  [
    "two proxies, and a client that names one of ours",
    "10.0.0.1",
    "10.9.9.9, 203.0.113.9, 10.0.0.2",
    "",
    "203.0.113.9",
  ],
  ["a proxy without the header", "10.0.0.1", "", "", ""],
  ["a proxy that hides its client", "10.0.0.1", "203.0.113.9, unknown", "", ""],
  ["a proxy and garbage before it", "10.0.0.1", "garbage, 203.0.113.9", "", "203.0.113.9"],
  ["only proxies", "10.0.0.1", "10.0.0.3, 10.0.0.2", "", "10.0.0.3"],
  ["with a port", "10.0.0.1", "203.0.113.9:4711", "", "203.0.113.9"],
  ["IPv6, as its /64", "2001:db8:1::5", "2001:db8:2:3:4:5:6:7", "", "20010db800020003/64"],
  ["IPv6 with a port", "10.0.0.1", "[2001:db8:2::1]:80", "", "20010db800020000/64"],
  ["PROXY v2", "10.0.0.1", "", "203.0.113.9", "203.0.113.9"],
  [
    "PROXY v2, and a header that the client forged",
    "10.0.0.1",
    "1.1.1.1",
    "203.0.113.9",
    "203.0.113.9",
  ],
  [
    "PROXY v2 of one proxy behind another that writes the header",
    "10.0.0.1",
    "203.0.113.9",
    "10.0.0.2",
    "203.0.113.9",
  ],
])("%s", (_name, peer, forwarded, proxied, expected) => {
  expect(decide(peer, forwarded, proxied)).toBe(expected);
});

test("a header of many entries is read from the right, and not to its end", () => {
  const chain = (count: number) => `203.0.113.9, ${"10.0.0.2, ".repeat(count - 1)}10.0.0.2`;
  expect(decide("10.0.0.1", chain(15))).toBe("203.0.113.9");
  expect(decide("10.0.0.1", chain(16))).toBe("10.0.0.2");
});
