/** The flag tidegate.trace-ratio at a running gateway: by class, live, and not per message. */
import { expect, test } from "vitest";
import { newConnection } from "../../../gateway/connection.ts";
import { makeIdentity } from "../../../gateway/identity.ts";
import { TRACE_RATIO_FLAG, TraceRatios } from "../../../gateway/tracing/trace-ratios.ts";
import type { ClientContext } from "../../../proto/client-context.ts";
import type { CompiledFlag } from "../../../proto/flags/flag-engine.ts";
import { RecordingTracer } from "../../../telemetry/tracing/tracer.ts";
import { putFlags } from "../flags/put-flags.ts";
import type { RawClient } from "../raw-client.ts";
import { testGateway } from "../start-gateway.ts";

/** Publishes until a trace id comes, or none comes any more: flags arrive a moment later. */
async function publishUntil(client: RawClient, room: string, isTraced: boolean): Promise<number> {
  for (let count = 1; ; count += 1) {
    const { traceId } = await client.ack(client.publish({ room, payload: "x" }));
    if ((traceId !== "") === isTraced) return count;
  }
}

test("a flag traces one class, and another with all; gone, the process's ratio counts", async () => {
  const tracer = new RecordingTracer();
  const { client: connect, bus } = await testGateway({ parts: { telemetry: { tracer } } });
  const client = await connect();
  await Promise.all([client.join("live:a"), client.join("chat:a")]);
  const variants = { all: 1, none: 0 };
  const flag = { state: "ENABLED", variants, defaultVariant: "none", metadata: {} };
  const targeting = { if: [{ "==": [{ var: "room_class" }, "live"] }, "all", "none"] };
  await putFlags(bus, "system", { [TRACE_RATIO_FLAG]: { ...flag, targeting } });
  await publishUntil(client, "live:a", true);
  const other = await client.ack(client.publish({ room: "chat:a", seq: 1, payload: "x" }));
  expect(other.traceId).toBe("");
  await putFlags(bus, "system", { [TRACE_RATIO_FLAG]: flag }, 2);
  await publishUntil(client, "live:a", false);
  await putFlags(bus, "system", {}, 3);
  expect((await client.ack(client.publish({ room: "live:a", payload: "x" }))).traceId).toBe("");
});

test("TraceRatios asks once for a connection and class, again for another identity or state", () => {
  const asked: string[] = [];
  let value: unknown = 0.25;
  const flag = {
    evaluate: (context: ClientContext) => {
      asked.push(`${context.user} ${context.room_class}`);
      return { value };
    },
  } as unknown as CompiledFlag;
  const who = (user: string) => makeIdentity({ tenant: "default", user, grants: [] });
  const ratios = new TraceRatios(
    new RecordingTracer({ ratio: 0.5 }),
    (_connection, { user }) => ({ user }) as unknown as ClientContext,
  );
  const [anna, ben] = [who("anna"), who("ben")];
  const connection = newConnection(1);
  expect(ratios.of(connection, anna, "chat")).toBe(0.5);
  ratios.take({ flags: new Map([[TRACE_RATIO_FLAG, flag]]) });
  for (let i = 0; i < 3; i += 1) expect(ratios.of(connection, anna, "chat")).toBe(0.25);
  ratios.of(connection, anna, "live");
  ratios.of(connection, ben, "chat");
  expect(asked).toEqual(["anna chat", "anna live", "ben chat"]);
  for (const [given, ratio] of [
    ["half", 0.5],
    [7, 1],
    [-1, 0],
  ] as const) {
    value = given;
    ratios.take({ flags: new Map([[TRACE_RATIO_FLAG, flag]]) });
    expect(ratios.of(connection, anna, "chat")).toBe(ratio);
  }
});
