/** Sweeps while shards do not answer: a real nats-server without the streams they ask. */
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test, vi } from "vitest";
import { NatsInterest } from "../../bus/nats/interest.ts";
import { Sweep } from "../../bus/nats/sweep.ts";
import { commit, epochPlaces, firstRoute, startSealing } from "../../bus/route.ts";
import { newRoom } from "../bus/contract-tools.ts";
import { startTestNats } from "./start-nats.ts";

const none = () => {};

/** An outage of so many ms. */
async function last(ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  await vi.waitUntil(() => performance.now() >= endMs, { timeout: 2 * ms + 5000 });
}

test("an outage: retries of a room with several epochs do not add up", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  const interest = new NatsInterest(connection, {
    ...{ onHeard: none, onTail: none, onEpoch: none, onLater: none, onJoined: none },
    ...{ onLeft: none, onForeign: none },
    ...{ onEphemeral: none, openEphemeral: () => null, tick: () => 0, isCounting: () => false },
  });
  onTestFinished(() => interest.close());
  const room = newRoom("outage");
  let route = firstRoute(room.slot, [0, 1, 2, 3]);
  const sweep = new Sweep({
    ...{ connection, interest, sweepMs: 100, routeOf: () => route, seenSeq: () => 0 },
    placesOf: () => epochPlaces(route),
    ...{ onSeen: none, onBackwards: none, writeAnchor: () => Promise.resolve(1) },
  });
  onTestFinished(() => sweep.close());
  const leave = interest.subscribeRoom(room, {
    ...{ onDurable: none, onEphemeral: none, onLoss: none, onHistoryChanged: none },
  });
  const heard = interest.find(room.token);
  if (heard === undefined) throw new Error("the room is not listened to");
  sweep.settle(heard);
  const { record } = route;
  const next = commit(startSealing(record, (record.shard + 1) % 4, false, 1), 1, 1, 1e15);
  route = { record: next, revision: 1 };
  sweep.lookAtSlot(room.slot);
  await last(3000);
  // Two epochs are asked for at each turn of 100 ms, and 4 times a second again.
  expect(connection.stats().outMsgs).toBeLessThan(200);
  // What nobody listens to any more is not asked for again.
  leave();
  await last(600);
  const askedCount = connection.stats().outMsgs;
  await last(600);
  expect(connection.stats().outMsgs).toBe(askedCount);
}, 30_000);
