/**
 * Loss accounting over two gateways of which one is cut off from NATS: its metrics explain every
 * message, by hop and by member.
 */
import { expect, test } from "vitest";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { playCutOff } from "./accounting.ts";
import { checkHistory } from "./check.ts";
import { checkAccounting } from "./check-accounting.ts";
import { PRODUCT_ROOT } from "./run.ts";
import { LIVE_ROOM, ROOM } from "./stage.ts";

test("loss accounting: published = handed to fan-out + announced as lost, by gateway and member", async () => {
  const binary = findNatsServer(process.env.NATS_SERVER ?? "", console.error);
  const { history, accounts } = await playCutOff({ root: PRODUCT_ROOT, binary });
  expect(checkHistory(history).violations).toEqual([]);
  expect(checkAccounting(history, accounts), JSON.stringify(accounts)).toEqual([]);
  expect(accounts[1]?.counts[LIVE_ROOM]).toMatchObject({ received: 60, lost: 30 });
  expect(accounts[0]?.counts[ROOM]).toMatchObject({ received: 90, fannedOut: 90, skipped: 0 });

  // What is not counted, counted twice or not announced is found.
  const [first, second] = accounts;
  if (first === undefined || second === undefined) throw new Error("two gateways are there");
  for (const [key, change] of [
    ["received", -1],
    ["fannedOut", 1],
    ["lost", -1],
    ["published", 1],
  ] as const) {
    const counts = second.counts[LIVE_ROOM];
    if (counts === undefined) throw new Error("the room is counted");
    const wrong = { ...counts, [key]: counts[key] + change };
    const told = { ...second, counts: { ...second.counts, [LIVE_ROOM]: wrong } };
    expect(checkAccounting(history, [first, told]).length, key).toBeGreaterThan(0);
  }
  const silent = history.consumers.map((each) => ({
    ...each,
    events: each.events.filter(({ type }) => type !== "gap"),
  }));
  const unsaid = checkAccounting({ ...history, consumers: silent }, accounts);
  expect(unsaid).toMatchObject([{ kind: "unaccounted" }]);
}, 120_000);
