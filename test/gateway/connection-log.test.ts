/** Every line about a connection says which, and of which tenant. */
import { expect, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { NO_TELEMETRY } from "../../telemetry/telemetry.ts";
import { RecordingTracer } from "../../telemetry/tracing/tracer.ts";
import { wrapMethods } from "../controlplane/start-control-plane.ts";
import { testGateway } from "./start-gateway.ts";

/** A gateway with all its lines, and a bus that fails as nobody foresaw while `fails` says so. */
async function openNoisy(fails: () => boolean) {
  const lines: [text: string, fields: Record<string, unknown>][] = [];
  const note = (fields: object, text: string) => void lines.push([text, { ...fields }]);
  const log = { debug: note, info: note, warn: note, error: note };
  const broken = () => {
    throw new TypeError("nobody foresaw this");
  };
  const wrapBus = (bus: Bus) =>
    wrapMethods(bus, {
      readBefore: (...args) => (fails() ? broken() : bus.readBefore(...args)),
      publish: (...args) => (fails() ? broken() : bus.publish(...args)),
    });
  const tracer = new RecordingTracer();
  const telemetry = { ...NO_TELEMETRY, tracer };
  const { client } = await testGateway({ wrapBus, parts: { log, telemetry } });
  return { client, lines, tracer };
}

test("connected, failed requests, gone: one id on all lines", async () => {
  let isBroken = false;
  const { client: open, lines, tracer } = await openNoisy(() => isBroken);
  const client = await open();
  const connection = client.welcome?.connectionId;
  const { roomAlias } = await client.join("chat:a");
  isBroken = true;
  client.publish({ requestId: 7, room: "live:a", payload: "x" });
  expect(await client.answer(7)).toMatchObject({ code: "INTERNAL" });
  client.send({
    $case: "history",
    value: { requestId: 8, limit: 1, target: { $case: "roomAlias", value: roomAlias } } as never,
  });
  expect(await client.error(8)).toMatchObject({
    code: "INTERNAL",
  });
  const room = { room: "chat:b", history: 5, after: undefined, ephemeral: false };
  client.send({ $case: "join", value: { requestId: 9, rooms: [room] } } as never);
  expect(await client.error(9)).toMatchObject({ code: "INTERNAL" });
  await client.close();
  const about = lines.filter(([, fields]) => fields.connection !== undefined);
  expect(about.map(([text]) => text)).toEqual([
    ...["client connected", "publish failed", "history failed", "join failed", "client gone"],
  ]);
  for (const [at, name] of [
    [1, "live"],
    [3, "join"],
  ] as const) {
    const spans = tracer.find(String(about[at]?.[1].trace_id));
    expect(spans[0]?.name).toContain(name);
  }
  for (const [, fields] of about) expect(fields).toMatchObject({ connection, tenant: "default" });
});
