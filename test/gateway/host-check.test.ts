/** Who may open a WebSocket from where: Host and Origin of real pages, programs and attacks. */
import { describe, expect, test } from "vitest";
import { decideHost, type HostRules } from "../../gateway/host-check.ts";

const none = { allowedOrigins: [], allowedHosts: [], pagePort: 0 };
const loopback: HostRules = { host: "127.0.0.1", ...none };
const open: HostRules = { ...loopback, host: "0.0.0.0" };

function decide(rules: HostRules, host: string, origin = ""): string {
  return decideHost(rules, host, origin)?.code ?? "allowed";
}

describe("Host, listening on loopback", () => {
  test.each([
    ["127.0.0.1:8080", "allowed"],
    ["127.0.0.1", "allowed"],
    ["localhost:8080", "allowed"],
    ["LOCALHOST:8080", "allowed"],
    ["[::1]:8080", "allowed"],
    ["", "HOST_REFUSED"],
    ["evil.example:8080", "HOST_REFUSED"],
    ["localhost.evil.example", "HOST_REFUSED"],
    ["127.0.0.1.evil.example", "HOST_REFUSED"],
    ["evil.example#127.0.0.1", "HOST_REFUSED"],
    ["192.168.1.5:8080", "HOST_REFUSED"],
    ["127.0.0.1:8080:9090", "HOST_REFUSED"],
    ["0.0.0.0:8080", "HOST_REFUSED"],
  ])("Host %j: %s", (host, expected) => {
    expect(decide(loopback, host)).toBe(expected);
  });

  test("the address that it listens on is its name, also another of loopback's", () => {
    expect(decide({ ...loopback, host: "127.0.0.2" }, "127.0.0.2:80")).toBe("allowed");
    expect(decide({ ...loopback, host: "127.0.0.2" }, "127.0.0.3:80")).toBe("HOST_REFUSED");
  });
});

describe("Host, listening for others", () => {
  test("any name, unless names are listed; loopback's own always", () => {
    expect(decide(open, "rooms.example")).toBe("allowed");
    const listed = { ...open, allowedHosts: ["Rooms.Example"] };
    expect(decide(listed, "rooms.example:443")).toBe("allowed");
    expect(decide(listed, "other.example")).toBe("HOST_REFUSED");
    expect(decide(listed, "localhost:8080")).toBe("allowed");
    expect(decide({ ...listed, allowedHosts: ["*"] }, "other.example")).toBe("allowed");
  });
});

describe("Origin", () => {
  test.each([
    ["", "allowed"],
    ["http://127.0.0.1:8080", "allowed"],
    ["https://127.0.0.1:8080", "allowed"],
    ["http://127.0.0.1:3000", "ORIGIN_REFUSED"],
    ["http://127.0.0.1", "ORIGIN_REFUSED"],
    ["http://localhost:8080", "ORIGIN_REFUSED"],
    ["https://evil.example", "ORIGIN_REFUSED"],
    ["http://127.0.0.1:8080.evil.example", "ORIGIN_REFUSED"],
    ["null", "ORIGIN_REFUSED"],
    ["file://", "ORIGIN_REFUSED"],
  ])("%j to 127.0.0.1:8080: %s", (origin, expected) => {
    expect(decide(loopback, "127.0.0.1:8080", origin)).toBe(expected);
  });

  test("listed origins may connect, whole and alone", () => {
    const rules = { ...loopback, allowedOrigins: ["https://App.Example"] };
    expect(decide(rules, "localhost:8080", "https://app.example")).toBe("allowed");
    expect(decide(rules, "localhost:8080", "http://app.example")).toBe("ORIGIN_REFUSED");
    expect(decide(rules, "localhost:8080", "https://app.example.evil")).toBe("ORIGIN_REFUSED");
    expect(decide({ ...rules, allowedOrigins: ["*"] }, "localhost", "null")).toBe("allowed");
  });

  test("the page of the admin port may connect, of the same host alone", () => {
    const rules = { ...loopback, pagePort: 9091 };
    expect(decide(rules, "127.0.0.1:8080", "http://127.0.0.1:9091")).toBe("allowed");
    expect(decide(rules, "127.0.0.1:8080", "http://localhost:9091")).toBe("ORIGIN_REFUSED");
    expect(decide(rules, "127.0.0.1:8080", "http://127.0.0.1:9092")).toBe("ORIGIN_REFUSED");
    expect(decide(loopback, "127.0.0.1:8080", "http://127.0.0.1:0")).toBe("ORIGIN_REFUSED");
  });

  test("a page that rebinds its own name to loopback is refused by Host, though its Origin matches", () => {
    expect(decide(loopback, "evil.example:8080", "http://evil.example:8080")).toBe("HOST_REFUSED");
    const anyOrigin = { ...loopback, allowedOrigins: ["*"] };
    expect(decide(anyOrigin, "evil.example:8080", "http://evil.example:8080")).toBe("HOST_REFUSED");
  });

  test("the sentence names what was wrong, shortened and quoted", () => {
    const refusal = decideHost(loopback, `${"x".repeat(500)}"\n`, "");
    expect(refusal?.detail).toContain("ALLOWED_HOSTS");
    expect(refusal?.detail.length).toBeLessThan(250);
    expect(refusal?.detail).not.toContain("\n");
  });
});
