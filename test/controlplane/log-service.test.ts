/** LogService: asks processes, changes what they log, says who did not answer. */
import { credentials, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { LEVEL_MS_DEFAULT } from "../../controlplane/log-service.ts";
import { LogLevelAnswer, LogLevelQuestion } from "../../proto/gen/tidegate/bus/v1/log_question.ts";
import { AuditServiceClient } from "../../proto/gen/tidegate/control/v1/audit_service.ts";
import { LogLevel } from "../../proto/gen/tidegate/control/v1/log.ts";
import { LogServiceClient } from "../../proto/gen/tidegate/control/v1/log_service.ts";
import { call, refusal, testControlPlane } from "./start-control-plane.ts";

const { DEBUG, INFO, UNSPECIFIED } = LogLevel;

async function open() {
  const { plane, bus } = await testControlPlane();
  const asked: LogLevelQuestion[] = [];
  const stop = bus.answer("log-level", (body) => {
    asked.push(LogLevelQuestion.decode(body));
    const now = asked.at(-1)?.change;
    const level = now?.level || INFO;
    return LogLevelAnswer.encode({ level, usual: INFO, leftMs: now?.forMs ?? 0 }).finish();
  });
  const client = new LogServiceClient(plane.address, credentials.createInsecure());
  const audit = new AuditServiceClient(plane.address, credentials.createInsecure());
  onTestFinished(() => {
    client.close();
    audit.close();
  });
  return { client, audit, asked, stop, name: `gateways/${bus.self.id}` };
}

const rest = { level: DEBUG, forMs: 0, validateOnly: false, requestId: "r-1" };

test("SetLogLevel: reaches the process, for 15 minutes unless said, and is audited", async () => {
  const { client, audit, asked, name } = await open();
  const listed = await call(client, client.listLogLevels, { name: "gateways/-" });
  const usual = { name, level: INFO, usualLevel: INFO, leftMs: 0 };
  expect(listed).toEqual({ levels: [usual], silentGateways: [] });
  const set = await call(client, client.setLogLevel, { ...rest, name: "gateways/-" });
  expect(set.levels).toEqual([{ ...usual, level: DEBUG, leftMs: LEVEL_MS_DEFAULT }]);
  await call(client, client.setLogLevel, { ...rest, name, level: UNSPECIFIED, forMs: 5 });
  expect(asked.map(({ change }) => change)).toEqual([
    ...[undefined, { level: DEBUG, forMs: LEVEL_MS_DEFAULT }, { level: UNSPECIFIED, forMs: 5 }],
  ]);
  const all = { pageSize: 0, pageToken: "", resource: "", principal: "", method: "SetLogLevel" };
  const times = { startTime: undefined, endTime: undefined, refusedOnly: false };
  const { auditEntries } = await call(audit, audit.listAuditEntries, { ...all, ...times });
  expect(auditEntries).toMatchObject([
    { method: "tidegate.control.v1.LogService/SetLogLevel", resource: name },
    { resource: "gateways/-", requestId: "r-1" },
  ]);
});

test("validate_only changes nothing; wrong levels, times and names are refused", async () => {
  const { client, asked, name } = await open();
  await call(client, client.setLogLevel, { ...rest, name, validateOnly: true });
  expect(asked.map(({ change }) => change)).toEqual([undefined]);
  const refused = (changes: object) =>
    refusal(call(client, client.setLogLevel, { ...rest, name, ...changes }));
  for (const changes of [
    { level: 9 },
    { forMs: 86_400_001 },
    { name: "" },
    { name: "gateways/A" },
  ]) {
    expect(await refused(changes)).toMatchObject({ grpc: status.INVALID_ARGUMENT });
  }
  expect(await refused({ name: "gateways/nobody" })).toMatchObject({ grpc: status.NOT_FOUND });
  expect(asked).toHaveLength(1);
});
