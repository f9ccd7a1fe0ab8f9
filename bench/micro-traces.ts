/**
 * What `micro` measures of tracing: a message that is not sampled, and all four spans of one that
 * is.
 */
import { encodeEnvelope, isTraced } from "../bus/envelope.ts";
import { roomAddress } from "../bus/subjects.ts";
import { newConnection } from "../gateway/connection.ts";
import { makeIdentity } from "../gateway/identity.ts";
import { PublishScan } from "../gateway/publish-scan.ts";
import { MessageTraces } from "../gateway/tracing/message-traces.ts";
import { TraceRatios } from "../gateway/tracing/trace-ratios.ts";
import { RecordingTracer } from "../telemetry/tracing/tracer.ts";

/** Functions under measurement, as micro.ts takes them. */
export function traceSubjects(payload: Uint8Array, firstSentUs: number) {
  const connection = newConnection(1);
  const identity = makeIdentity({ tenant: "default", user: "anna", grants: [] });
  const address = roomAddress("default", "chat:lobby");
  const scan = new PublishScan();
  const fields = { firstSentUs, user: "anna", producer: "0123456789abcdef", producerSeq: 77 };
  const plain = encodeEnvelope(fields, payload);
  const tracesOf = (ratio: number) => {
    const tracer = new RecordingTracer({ ratio });
    const ratios = new TraceRatios(tracer, () => {
      throw new Error("no flag is there");
    });
    return new MessageTraces(tracer, "gw-bench", ratios);
  };
  const [never, each] = [tracesOf(0), tracesOf(1)];
  return [
    {
      name: "untraced-message",
      call: (i: number) => {
        const trace = never.beginPublish(connection, identity, address, scan);
        return trace === null && !isTraced(plain) ? i : 0;
      },
    },
    {
      name: "traced-message",
      call: (i: number) => {
        const trace = each.beginPublish(connection, identity, address, scan);
        if (trace === null) return 0;
        const { length } = payload;
        const envelope = encodeEnvelope(fields, payload, 0, length, trace.traceparent);
        trace.tried(envelope.length);
        const deliver = each.beginDeliver(address, envelope, null);
        deliver?.fannedOut(envelope.length, 1000, 0);
        trace.sent(null);
        return deliver === null ? 0 : i;
      },
    },
  ];
}
