/**
 * Headers read in place say what the client library's own reading says, for honest bytes, forged
 * ones and noise; and it is the reading in place that is used.
 */
import { connect, type Msg, headers as newHeaders } from "@nats-io/transport-node";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { emptyHeaders, scanHeaders, scanMessage } from "../../../bus/nats/header-scan.ts";
import { Header, readHeaders, timeStampUs } from "../../../bus/nats/wire.ts";
import { startTestNats } from "../../nats/start-nats.ts";

function block(...lines: string[]): Uint8Array {
  return Buffer.from(["NATS/1.0", ...lines, "", ""].join("\r\n"));
}

const serverLines = (seq: number, lastSeq: number, time: string) => [
  "Nats-Stream: TG_12",
  "Nats-Subject: tg.in.0-515.1.default-chat_clobby",
  `Nats-Sequence: ${seq}`,
  `Nats-Time-Stamp: ${time}`,
  `Nats-Last-Sequence: ${lastSeq}`,
];

test("scanHeaders: reads what servers add, to the microsecond", () => {
  const seqs = fc.integer({ min: 0, max: 2 ** 49 });
  const dates = fc.date({
    min: new Date("1970-01-01"),
    max: new Date("2200-12-31"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(seqs, seqs, dates, fc.nat(999_999), (seq, lastSeq, date, nanos) => {
      const decimals = String(nanos).padStart(6, "0").replace(/0+$/, "");
      const time = `${date.toISOString().replace(/\.?0*Z$/, "")}`;
      const full = time.includes(".") ? `${time}${decimals}Z` : `${time}Z`;
      const found = emptyHeaders();
      expect(
        scanHeaders(block("Nats-Msg-Id: a.b.1", ...serverLines(seq, lastSeq, full)), found),
      ).toBe(true);
      expect(found).toEqual({ shard: 12, seq, lastSeq, timeUs: timeStampUs(full), tail: -1 });
    }),
  );
});

test("scanHeaders: of two lines with one name the last counts, which is the server's", () => {
  const found = emptyHeaders();
  const forged = ["Nats-Sequence: 999", "Nats-Last-Sequence: 998", "Nats-Stream: TG_7"];
  const time = "2026-11-22T11:30:00.123456789Z";
  scanHeaders(block(...forged, ...serverLines(4, 3, time)), found);
  expect(found).toEqual({ shard: 12, seq: 4, lastSeq: 3, timeUs: 1_795_347_000_123_456, tail: -1 });
});

test.each([
  ["a word", "Nats-Sequence: many"],
  ["a negative number", "Nats-Sequence: -4"],
  ["a fraction", "Nats-Sequence: 4.5"],
  ["digits and more", "Nats-Sequence: 4x"],
  ["too many digits", "Nats-Sequence: 1234567890123456"],
  ["nothing", "Nats-Sequence:"],
  ["another case", "nats-sequence: 4"],
  ["a longer name", "Nats-Sequence-More: 4"],
  ["a name within a value", "Other: Nats-Sequence: 4"],
])("scanHeaders: %s is no sequence", (_name, line) => {
  const found = emptyHeaders();
  expect(scanHeaders(block(line), found)).toBe(true);
  expect(found).toEqual(emptyHeaders());
});

test("scanHeaders: noise, cut bytes and changed bytes never throw, and what is read is a number", () => {
  const honest = block(...serverLines(4, 3, "2026-11-22T11:30:00.5Z"));
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.nat(honest.length).map((end) => honest.subarray(0, end)),
    fc.tuple(fc.nat(honest.length - 1), fc.nat(255)).map(([at, byte]) => {
      const changed = Uint8Array.from(honest);
      changed[at] = byte;
      return changed;
    }),
  );
  fc.assert(
    fc.property(noise, (bytes) => {
      const found = emptyHeaders();
      scanHeaders(bytes, found);
      for (const value of Object.values(found)) expect(Number.isNaN(value)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

test("readHeaders: real messages are read in place, as the client library reads them", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  const messages: Msg[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.subscribe("h.>", {
    callback: (_error, message) => {
      messages.push(message);
      if (message.subject === "h.end") resolve();
    },
  });
  for (let i = 1; i <= 300; i += 1) {
    const headers = newHeaders();
    if (i % 3 === 0) headers.append(Header.SEQUENCE, "999");
    headers.append(Header.SEQUENCE, String(i));
    headers.append(Header.LAST_SEQUENCE, String(i - 1));
    headers.append(Header.STREAM, "TG_3");
    headers.append(Header.TIME_STAMP, "2026-11-22T11:30:00.123456789Z");
    const payload = "x".repeat(i % 5 === 0 ? 0 : (i * 97) % 5000);
    const reply = i % 7 === 0 ? { reply: "some.reply" } : {};
    connection.publish(`h.${i}`, payload, i % 11 === 0 ? reply : { headers, ...reply });
  }
  connection.publish("h.end");
  await promise;
  for (const [index, message] of messages.slice(0, -1).entries()) {
    const seq = index + 1;
    const has = seq % 11 !== 0;
    const found = emptyHeaders();
    expect(scanMessage(message, found)).toBe(has);
    expect(readHeaders(message, found)).toBe(has);
    if (!has) continue;
    const timeUs = 1_795_347_000_123_456;
    expect(found).toEqual({ shard: 3, seq, lastSeq: seq - 1, timeUs, tail: -1 });
    const { subject, data, headers } = message;
    const slow = emptyHeaders();
    expect(readHeaders({ subject, data, headers } as unknown as Msg, slow)).toBe(true);
    expect(slow).toEqual(found);
  }
}, 30_000);
