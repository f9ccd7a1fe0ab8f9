/**
 * R10: a gateway that answers its control subject and can not settle what it has sent stops a move
 * three times; then it is told to drain, its lease is taken away, and the slot moves.
 */
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test, vi } from "vitest";
import { LEASE_BUCKET } from "../../bus/nats/lease-records.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { SILENT_DRAIN } from "../../bus/nats/tell-to-drain.ts";
import { MOVE_STEP_US } from "../../bus/route.ts";
import { roomAddress } from "../../bus/subjects.ts";
import { Lease } from "../../proto/gen/tidegate/bus/v1/lease.ts";
import { GoAwayReason } from "../../proto/gen/tidegate/client/v1/session.ts";
import { readAll, textsOf } from "../bus/contract-tools.ts";
import { NatsProxy } from "../bus/nats-proxy.ts";
import { SlotRecords } from "../chaos/slot-records.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { healthOf, startGateway } from "./drain-tools.ts";
import { startTestNats } from "./start-nats.ts";

/** A publish of the sick gateway this often, ms: some is always on its way. */
const PUBLISH_EVERY_MS = 250;

test("a gateway that can not settle: back to open with growing waits, then it drains and is fenced", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const [way, admin] = [
    await NatsProxy.start(nats.urls[0] ?? ""),
    await connect({ servers: nats.urls }),
  ];
  const mover = await openNatsBus({ servers: nats.urls, name: "mover", parts: "controlplane" });
  onTestFinished(() => mover.close().finally(() => Promise.all([way.stop(), admin.close()])));
  const well = await startGateway(nats.urls, { GATEWAY_ID: "well" });
  const sick = await startGateway([way.url], { GATEWAY_ID: "sick" }); // knows the other at once
  const records = await SlotRecords.watch(admin);
  const leases = await mover.keyValue(LEASE_BUCKET);
  const incarnation = async () => {
    const entry = await leases.get("gateway.sick");
    return entry === null ? null : Lease.decode(entry.value).incarnation;
  };
  const before = await incarnation();
  const [publisher, member] = [await RawClient.open(sick.port), await RawClient.open(well.port)];
  const { roomAlias } = await member.join("chat:stuck");
  // Publishes are stored, and their time is never found: they stay in flight for 10 s each.
  way.loseReceived = (subject) => subject.startsWith("tg.out.");
  way.losePublished = (subject) => /^\$JS\.API\.(DIRECT|STREAM\.MSG)\.GET\.TG_/.test(subject);
  let count = 0;
  const publishing = setInterval(() => {
    count += 1;
    publisher.publish({ room: "chat:stuck", seq: count, payload: String(count) });
  }, PUBLISH_EVERY_MS);
  onTestFinished(() => clearInterval(publishing));
  await member.texts(roomAlias, 1);

  const room = roomAddress("default", "chat:stuck");
  await mover.advanceEpoch(room.slot, (room.slot + 1) % 8);
  await vi.waitUntil(() => records.states(room.slot).includes("open 2"));
  const states = records.states(room.slot);
  const tries = ["sealing 1", "open 1", "sealing 1", "open 1", "sealing 1"];
  expect(states.filter((state) => !state.startsWith("removing"))).toEqual([...tries, "open 2"]);
  // The first wait is 1 s and the second 2 s, besides the 2 s of each try.
  const sealedUs = records.deadlinesUs(room.slot, "sealing 1").map((us) => us - MOVE_STEP_US);
  const [first = 0, second = 0, third = 0] = sealedUs;
  expect(second - first).toBeGreaterThanOrEqual(2_990_000);
  expect(third - second).toBeGreaterThanOrEqual(3_990_000);

  const { reason, target } = await publisher.next("goAway");
  expect({ reason, target }).toEqual({ reason: GoAwayReason.DRAIN, target: well.url });
  expect((await healthOf(sick)).drain).toMatchObject({ name: SILENT_DRAIN });
  clearInterval(publishing);
  way.loseReceived = () => false;
  way.losePublished = () => false;
  await vi.waitUntil(async () => ![null, before].includes(await incarnation()), 20_000);
  // It is not taken again, and who comes is told so; what it had published is there, once.
  const late = new RawClient(sick.port);
  await late.opened();
  late.hello();
  expect((await late.closed).code).toBe(4003);
  const stored = textsOf(await readAll(mover, room));
  expect(new Set(stored).size).toBe(stored.length);
  expect(stored).toEqual(stored.toSorted((a, b) => Number(a) - Number(b)));
  expect((await healthOf(well)).drain.state).toBe("serving");
}, 60_000);
