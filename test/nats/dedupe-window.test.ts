/**
 * The de-duplication window is decided once, and every process derives its budgets from it (R2).
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { publishLimits } from "../../bus/void.ts";
import { append, newProducer, newRoom, nowUs } from "../bus/contract-tools.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startServer } from "../start-server.ts";
import { startTestNats } from "./start-nats.ts";

const windowMs = 6000;

test("DEDUPE_WINDOW_MS: the first start decides; gateway, client and streams have its times", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const NATS_URL = nats.urls.join(",");
  const server = await startServer({ env: { NATS_URL, DEDUPE_WINDOW_MS: String(windowMs) } });
  onTestFinished(() => server.close());
  const bus = await openNatsBus({ servers: nats.urls, name: "later", dedupeWindowMs: 30_000 });
  onTestFinished(() => bus.close());
  expect(bus.publishLimits).toEqual(publishLimits(windowMs * 1000));

  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  const { config } = await (await jetstreamManager(connection)).streams.info("TG_0");
  expect(config.duplicate_window).toBe(windowMs * 1_000_000);

  const client = await RawClient.open(server.port);
  onTestFinished(() => client.socket.terminate());
  expect(client.welcome?.publishBudgetMs).toBe(4000);
  const room = "chat:window";
  const late = { room, seq: 1, payload: "late", firstSentUs: nowUs() - 4_100_000 };
  expect((await client.error(client.publish(late))).code).toBe("OUTCOME_UNKNOWN");
  const early = { room, seq: 2, payload: "early", firstSentUs: nowUs() + 1_500_000 };
  expect((await client.error(client.publish(early))).code).toBe("REQUEST_INVALID");
  await client.ack(client.publish({ room, seq: 3, payload: "in time" }));

  const id = { producer: newProducer(), seq: 1 };
  const voided = append(bus, newRoom(), id, "x", nowUs() - 5_100_000);
  await expect(voided).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
}, 60_000);
