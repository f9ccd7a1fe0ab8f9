/** The time line of a trace: what stands where, for spans that are known, lost, tiny or failed. */
import { expect, test } from "vitest";
import { type SpanText, timeLine } from "../../cli/trace-text.ts";

const room = { "messaging.destination.name": "chat:lobby", "tidegate.tenant": "acme" };

function span(spanId: string, parentSpanId: string, name: string, more: Partial<SpanText>) {
  const rest = { process: "eu-1", kind: "server", startUs: 0, durationUs: 0, attributes: {} };
  return { ...rest, spanId, parentSpanId, name, links: [], error: "", ...more };
}

const at = 1_795_347_000_000_050;
const spans = [
  span("a", "ff", "ingress chat", {
    ...{ startUs: at, durationUs: 8000 },
    attributes: { ...room, "user.id": "anna", "messaging.message.body.size": "1" },
  }),
  span("b", "a", "bus.publish chat", {
    ...{ startUs: at + 1000, durationUs: 6000, kind: "producer" },
    attributes: { "messaging.message.id": "1.42.7", "tidegate.tries": "3" },
  }),
  span("c", "b", "bus.deliver chat", { startUs: at + 5000, durationUs: 1000, kind: "consumer" }),
  span("d", "c", "fanout chat", {
    ...{ startUs: at + 5900, durationUs: 10, kind: "producer" },
    attributes: {
      ...{ "tidegate.fanout.recipients": "2", "tidegate.fanout.skipped": "1" },
      "tidegate.fanout.bytes": "824",
    },
  }),
  span("e", "b", "bus.deliver chat", { process: "us-2", startUs: at + 6000, durationUs: 2000 }),
];
const trace = { traceId: "ab".repeat(16), spans, hasMore: false, silentGateways: [] };

test("timeLine: a tree with a bar for each span, to scale, and what they tell below", () => {
  expect(timeLine(trace, { width: 80, hasColours: false })).toBe(
    `Trace ${"ab".repeat(16)}
chat:lobby, tenant acme, 2 processes, 5 spans in 8.00 ms
2026-11-22 11:30:00.000050 UTC

SPAN                  AT       START     TIME  0 ────────────────────── 8.00 ms
ingress chat          eu-1         0  8.00 ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
└ bus.publish chat    eu-1  +1.00 ms  6.00 ms      ━━━━━━━━━━━━━━━━━━━━━━━━
  ├ bus.deliver chat  eu-1  +5.00 ms  1.00 ms                      ━━━━
  │ └ fanout chat     eu-1  +5.90 ms    10 µs                         •
  └ bus.deliver chat  us-2  +6.00 ms  2.00 ms                          ━━━━━━━━

ingress eu-1      user anna, 1 byte, asked for by the client's span ff
bus.publish eu-1  position 1.42.7, tried 3 times
fanout eu-1       to 2 members, 1 skipped as slow, 824 bytes in all
`,
  );
});

test("timeLine: fits any width, never below the least bar, and never beyond the most", () => {
  for (const width of [20, 80, 400]) {
    const [, , , , head = ""] = timeLine(trace, { width, hasColours: false }).split("\n");
    const scale = head.slice(head.indexOf("0 ─")).length;
    expect(scale).toBe(width === 20 ? 16 : width === 80 ? 32 : 60);
  }
});

test("timeLine: failures in red with their sentence; spans without their parent stand alone", () => {
  const lost = span("x", "gone", "fanout chat", { startUs: 5, durationUs: 1 });
  const failed = { ...span("y", "", "ingress chat", { startUs: 1, durationUs: 9 }), error: "no" };
  const one = { ...trace, spans: [failed, lost], silentGateways: ["gateways/eu-3"] };
  const text = timeLine(one, { width: 80, hasColours: true });
  expect(text).toContain("\u001b[31m✗ no\u001b[0m");
  expect(text).toMatch(/\nfanout chat /);
  expect(text).toContain("Missing: what is at gateways that did not answer: eu-3");
  expect(timeLine(one, { width: 80, hasColours: false })).not.toContain("\u001b");
});

test("timeLine: spans that are inside of each other end all the same", () => {
  const circle = [span("x", "y", "a chat", {}), span("y", "x", "b chat", {})];
  expect(timeLine({ ...trace, spans: circle }, { width: 80, hasColours: false })).toContain(
    "2 spans",
  );
});
