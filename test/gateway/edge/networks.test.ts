/** Addresses and networks: what is one, and which network has it. */
import { describe, expect, test } from "vitest";
import {
  isInNetworks,
  type Network,
  normalAddress,
  parseAddress,
  parseNetwork,
} from "../../../gateway/edge/networks.ts";

const hex = (text: string) => {
  const bytes = parseAddress(text);
  return bytes === null ? null : Buffer.from(bytes).toString("hex");
};

describe("parseAddress", () => {
  test.each([
    ["10.1.2.3", "00000000000000000000ffff0a010203"],
    ["255.255.255.255", "00000000000000000000ffffffffffff"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["2001:DB8::8:9", "20010db8000000000000000000080009"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["::ffff:10.1.2.3", "00000000000000000000ffff0a010203"],
    ["1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304"],
  ])("%s", (text, expected) => expect(hex(text)).toBe(expected));

  test.each([
    ...["", " ", "unknown", "10.1.2", "10.1.2.3.4", "10.1.2.256", "10.1.2.03", "1.2.3.4:80"],
    ...["10.1.2.-1", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::"],
    ...["1:2:3:4:5:6:7:8::", "g::", "fe80::1%eth0", "[::1]", "1.2.3.4::", "::1.2.3", " 10.0.0.1"],
    `::${"0".repeat(60)}1`,
  ])("%j is none", (text) => expect(hex(text)).toBeNull());
});

describe("networks", () => {
  const has = (network: string, address: string) => {
    const parsed = parseNetwork(network) as Network;
    return isInNetworks([parsed], parseAddress(address) as Uint8Array);
  };

  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.0.0.0/8", "::ffff:10.0.0.1", true],
    ["192.168.4.0/22", "192.168.7.255", true],
    ["192.168.4.0/22", "192.168.8.0", false],
    ["192.168.4.1", "192.168.4.1", true],
    ["192.168.4.1", "192.168.4.2", false],
    ["0.0.0.0/0", "8.8.8.8", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "8.8.8.8", true],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["::1", "::1", true],
  ])("%s has %s: %s", (network, address, expected) => {
    expect(has(network, address)).toBe(expected);
  });

  test.each([
    ...["", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8/8", "10.0.0.0/08", "10.0.0.0/-1", "::/129"],
    ...["10.0.0.1/8", "2001:db8::1/32", "proxy.example", "10.0.0.0/1e1", "*"],
  ])("%j is none", (text) => expect(parseNetwork(text)).toBeNull());

  test("none listed: nobody is in", () => {
    expect(isInNetworks([], parseAddress("10.0.0.1") as Uint8Array)).toBe(false);
  });

  test("normalAddress: 4 bytes as 16, other lengths are none", () => {
    expect(normalAddress(Uint8Array.of(10, 1, 2, 3))).toEqual(parseAddress("10.1.2.3"));
    expect(normalAddress(new Uint8Array(16))).toEqual(new Uint8Array(16));
    expect(normalAddress(new Uint8Array(0))).toBeNull();
  });
});
