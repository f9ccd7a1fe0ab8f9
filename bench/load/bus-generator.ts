/**
 * Durable appends straight to the bus, embedded or NATS, in the process that holds it: what the
 * gateway adds is the difference.
 *
 * Speaks the commands of durable-generator.ts; a "connection" is a producer with a room of its own.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Bus } from "../../bus/bus.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { encodeEnvelope } from "../../bus/envelope.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { type RoomAddress, roomAddress } from "../../bus/subjects.ts";
import { monotonicUs } from "./clock.ts";
import { buildPayload } from "./payload.ts";
import type { DurableCommand, DurablePlan, DurableReply } from "./protocol.ts";
import { Tally, takeFigures } from "./tally.ts";

interface Producer {
  readonly address: RoomAddress;
  readonly producer: string;
  seq: number;
  inFlightCount: number;
}

class BusGenerator {
  readonly #tally = new Tally();
  readonly #dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-bench-bus-"));
  readonly #payload = buildPayload(0);
  readonly #producers: Producer[] = [];
  readonly #reply: (message: DurableReply) => void;
  #bus: Bus | null = null;
  #inFlightPerProducer = 0;
  #leftCount = 0;
  #isFillDue = false;

  constructor(reply: (message: DurableReply) => void) {
    this.#reply = reply;
    // The parent ends this process by closing the channel, so that the folder can be removed.
    process.once("disconnect", () => {
      rmSync(this.#dataDir, { recursive: true, force: true });
      process.exit();
    });
  }

  async handle(command: DurableCommand): Promise<void> {
    switch (command.kind) {
      case "open":
        await this.#open(command.plan);
        return;
      case "publish":
        this.#leftCount = command.count;
        this.#fill();
        return;
      case "take":
        this.#reply(takeFigures(this.#tally));
        return;
      default:
        command satisfies never;
    }
  }

  async #open(plan: DurablePlan): Promise<void> {
    this.#bus = await this.#openBus(plan);
    this.#inFlightPerProducer = Math.max(1, Math.floor(plan.inFlightMax / plan.connectionCount));
    for (let i = 0; i < plan.connectionCount; i += 1) {
      const address = roomAddress("default", `chat:bench-${i}`);
      const producer = randomBytes(16).toString("latin1");
      this.#producers.push({ address, producer, seq: 0, inFlightCount: 0 });
    }
    this.#reply({ kind: "opened" });
  }

  #openBus({ nats }: DurablePlan): Promise<Bus> {
    if (nats === null) return openEmbeddedBus({ dataDir: this.#dataDir });
    const { urls: servers, replicaCount } = nats;
    return openNatsBus({ servers, replicaCount, name: `bench-${process.pid}` });
  }

  #fill(): void {
    this.#isFillDue = false;
    for (const producer of this.#producers) {
      while (this.#leftCount > 0 && producer.inFlightCount < this.#inFlightPerProducer) {
        this.#leftCount -= 1;
        this.#append(producer);
      }
    }
  }

  #append(producer: Producer): void {
    const sentUs = monotonicUs();
    const firstSentUs = Date.now() * 1000;
    producer.seq += 1;
    producer.inFlightCount += 1;
    this.#tally.sentCount += 1;
    const id = { producer: producer.producer, seq: producer.seq };
    const fields = {
      firstSentUs,
      user: "",
      producer: producer.producer,
      producerSeq: producer.seq,
    };
    const envelope = encodeEnvelope(fields, this.#payload);
    this.#bus?.append(producer.address, id, firstSentUs, envelope, (error) => {
      producer.inFlightCount -= 1;
      if (error === null) {
        this.#tally.deliveredCount += 1;
        this.#tally.latency.record(monotonicUs() - sentUs);
      } else this.#tally.fail(error.message);
      this.#onAnswer();
    });
  }

  #onAnswer(): void {
    if (this.#leftCount > 0 && !this.#isFillDue) {
      this.#isFillDue = true;
      setImmediate(() => this.#fill());
    }
    if (this.#leftCount > 0) return;
    if (this.#producers.every((producer) => producer.inFlightCount === 0))
      this.#reply({ kind: "published" });
  }
}

const generator = new BusGenerator((message) => process.send?.(message));
process.on("message", (command: DurableCommand) => generator.handle(command));
