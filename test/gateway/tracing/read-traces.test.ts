/** Spans of reading from the store: a member that resumes, a room that fills, and what fails. */
import { expect, test, vi } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { CodedError } from "../../../proto/coded-error.ts";
import type { SpanRecord } from "../../../telemetry/tracing/span.ts";
import { RecordingTracer } from "../../../telemetry/tracing/tracer.ts";
import { lossyBus } from "../lossy-bus.ts";
import { testGateway } from "../start-gateway.ts";

/** More than a join reads at once. */
const MESSAGE_COUNT = 400;

/** A gateway that records, and every span of a name that has ended. */
async function open(ratio: number, wrapBus: (bus: Bus) => Bus = (bus) => bus) {
  const tracer = new RecordingTracer({ ratio });
  const ended: SpanRecord[] = [];
  const record = tracer.record.bind(tracer);
  tracer.record = (span) => {
    ended.push(span);
    record(span);
  };
  const gateway = await testGateway({ parts: { telemetry: { tracer } }, wrapBus });
  const until = (name: string) =>
    vi.waitUntil(() => ended.find((span) => span.name === name), { timeout: 10_000 });
  return { gateway, ended, until };
}

test("resume: from its position to the live messages, with what was sent", async () => {
  const { gateway, until } = await open(1);
  const sender = await gateway.client();
  for (let seq = 1; seq <= 5; seq += 1) {
    await sender.ack(sender.publish({ room: "chat:a", seq, payload: "x" }));
  }
  const late = await gateway.client();
  const { roomAlias } = await late.join("chat:a", { history: 5 });
  await late.texts(roomAlias, 5);
  const span = await until("resume chat");
  expect(span.error).toBe("");
  expect(span.attributes).toMatchObject({
    ...{ "messaging.batch.message_count": 5, "tidegate.read.outcome": "live" },
    "messaging.destination.name": "chat:a",
  });
  const last = late.messages(roomAlias).at(-1)?.position;
  const place = `${last?.epoch}.${last?.seq}.${last?.timeUs}`;
  expect(span.attributes["tidegate.read.until"]).toBe(place);
});

test("fill: what live messages show to be missing, linked to the one that shows it", async () => {
  let isDropping = false;
  const drop = () => (isDropping ? 0 : 1);
  const { gateway, until } = await open(1, (bus) =>
    lossyBus(bus, { drop: 0.5, repeat: 0, delay: 0 }, drop),
  );
  const client = await gateway.client();
  const { roomAlias } = await client.join("chat:a");
  for (let seq = 1; seq <= 3; seq += 1) {
    isDropping = seq === 2;
    await client.ack(client.publish({ room: "chat:a", seq, payload: String(seq) }));
  }
  expect(await client.texts(roomAlias, 3)).toEqual(["1", "2", "3"]);
  const span = await until("fill chat");
  expect(span.attributes["messaging.batch.message_count"]).toBe(2);
  expect(span.links).toHaveLength(1);
});

test("a read that fails is recorded whatever the ratio, and the member goes on", async () => {
  let calls = Number.NEGATIVE_INFINITY;
  const failing = (bus: Bus) =>
    new Proxy<Bus>(bus, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== "readAfter") return value.bind(target);
        return (...given: Parameters<Bus["readAfter"]>) => {
          calls += 1; // the first is the join's own
          const error = new CodedError("UNAVAILABLE", "the test says so");
          return calls === 2 ? Promise.reject(error) : target.readAfter(...given);
        };
      },
    });
  const { gateway, ended, until } = await open(0, failing);
  const client = await gateway.client();
  const acks = [];
  for (let seq = 1; seq <= MESSAGE_COUNT; seq += 1) {
    acks.push(client.ack(client.publish({ room: "chat:a", seq, payload: "x" })));
  }
  const [first] = await Promise.all(acks);
  calls = 0;
  const late = await gateway.client();
  const { roomAlias, recovered } = await late.join("chat:a", { after: first?.position });
  expect(recovered).toBe(true);
  await late.texts(roomAlias, MESSAGE_COUNT - 1);
  const span = await until("resume chat");
  expect(span.attributes["error.type"]).toBe("UNAVAILABLE");
  expect(ended.filter(({ name }) => /^(resume|fill|ingress|fanout) /.test(name))).toHaveLength(1);
});
