/**
 * A gateway's two ends around slots that move: publishes to rooms at a steady pace through the
 * gateway's lanes (R3), listens to all of them through its local rooms (R5), and writes down every
 * call, answer and delivery for the checker of chaos runs.
 */
import { encodeEnvelope } from "../../bus/envelope.ts";
import { type NatsBus, openNatsBus } from "../../bus/nats/nats-bus.ts";
import { roomAddress } from "../../bus/subjects.ts";
import { LocalRoom, requirePolicy } from "../../gateway/local-room.ts";
import { type LaneEntry, PublishLane } from "../../gateway/publish-lane.ts";
import type { CodedError } from "../../proto/coded-error.ts";
import { Envelope } from "../../proto/gen/tidegate/client/v1/message.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { classPolicy, defaultRoomClass } from "../../proto/room-class.ts";
import type { ConsumerEvent, Publish } from "../../test/chaos/history.ts";
import { monotonicUs } from "./clock.ts";
import { dueCount } from "./pace.ts";
import type { MoveCommand, MovePlan, MoveReply } from "./protocol.ts";

/** Publishes that are due are written this often, ms. */
const TICK_MS = 5;
/** A failed lane is tried again after this, ms, as gateways do. */
const RETRY_MS = 100;
/** A small chat message. */
const PADDING = "x".repeat(80);

interface Entry extends LaneEntry {
  readonly publish: Publish;
}

class MoveWorker {
  readonly #reply: (message: MoveReply) => void;
  readonly #publishes: Publish[] = [];
  readonly #events: ConsumerEvent[] = [];
  readonly #send: (() => void)[] = [];
  #bus: NatsBus | null = null;
  #timer: NodeJS.Timeout | null = null;
  #openCount = 0;
  #messageCount = 0;

  constructor(reply: (message: MoveReply) => void) {
    this.#reply = reply;
    process.once("disconnect", () => process.exit());
  }

  async handle(command: MoveCommand): Promise<void> {
    switch (command.kind) {
      case "open":
        await this.#open(command.plan);
        this.#reply({ kind: "opened" });
        return;
      case "publish":
        this.#publish(command.ratePerS);
        this.#reply({ kind: "publishing" });
        return;
      case "end":
        if (this.#timer !== null) clearInterval(this.#timer);
        while (this.#openCount > 0) await nextTick();
        this.#reply({ kind: "ended", publishCount: this.#publishes.length });
        return;
      case "settle": {
        const endMs = performance.now() + command.waitMs;
        while (this.#messageCount < command.count && performance.now() < endMs) await nextTick();
        this.#reply({ kind: "settled" });
        return;
      }
      case "take":
        this.#reply({ kind: "taken", publishes: this.#publishes, events: this.#events });
        return;
      default:
        command satisfies never;
    }
  }

  async #open({ nats, name, shardCount, rooms }: MovePlan): Promise<void> {
    const { urls: servers, replicaCount } = nats;
    const limits = { shardCount, replicaCount, shardBytesMax: 256 * 1024 ** 2 };
    this.#bus = await openNatsBus({ servers, name, ...limits });
    await Promise.all(rooms.map((room) => this.#openRoom(room, name)));
  }

  async #openRoom(room: string, name: string): Promise<void> {
    const address = roomAddress("default", room);
    const durable = defaultRoomClass("", RoomMode.DURABLE);
    const policy = requirePolicy(classPolicy(address.class, durable), address.class);
    const bus = this.#bus;
    if (bus === null) return;
    this.#events.push({ type: "joined", room, atUs: monotonicUs(), after: null });
    const local = new LocalRoom(bus, address, 1, policy, {
      durable: (_room, { envelope, epoch, seq, timeUs }) => {
        const atUs = monotonicUs();
        const { p, n } = JSON.parse(Envelope.decode(envelope).payload.toString());
        const place = { epoch, seq, timeUs };
        this.#messageCount += 1;
        this.#events.push({ type: "message", room, atUs, producer: p, n, place });
      },
      held: () => {},
      beginFill: () => null,
      gap: () => {
        const gap = { reason: "gap", missedCount: 0 };
        this.#events.push({ type: "gap", room, atUs: monotonicUs(), ...gap });
      },
      ephemeral: () => {},
      loss: () => {},
      warn: () => {},
    });
    await local.ready;
    this.#addProducer(bus, room, name);
  }

  #addProducer(bus: NatsBus, room: string, name: string): void {
    const address = roomAddress("default", room);
    const producer = Buffer.from(`${name}${" ".repeat(16)}`.slice(0, 16)).toString("latin1");
    let n = 0;
    const lane: PublishLane<Entry> = new PublishLane<Entry>(
      {
        append: (entry) => {
          const { producerSeq: seq, firstSentUs } = entry;
          const payload = Buffer.from(JSON.stringify({ p: name, n: seq, x: PADDING }));
          const fields = { firstSentUs, user: "", producer: "", producerSeq: 0 };
          const envelope = encodeEnvelope(fields, payload);
          bus.append(address, { producer, seq }, firstSentUs, envelope, (error, ack) =>
            lane.settle(entry, error, ack, Date.now() * 1000),
          );
        },
        answer: ({ publish }, error, ack) => {
          this.#openCount -= 1;
          Object.assign(publish, { endedUs: monotonicUs(), ...outcomeOf(error) });
          if (ack !== null) {
            const { epoch, seq, timeUs } = ack;
            publish.place = { epoch, seq, timeUs };
          }
        },
        retryLater: () => void setTimeout(() => lane.retry(Date.now() * 1000), RETRY_MS),
      },
      bus.publishLimits,
    );
    this.#send.push(() => {
      n += 1;
      const publish: Publish = {
        ...{ room, producer: name, n, invokedUs: monotonicUs(), outcome: "open" },
        ...{ endedUs: 0, place: null, code: "", detail: "" },
      };
      this.#publishes.push(publish);
      this.#openCount += 1;
      const nowUs = Date.now() * 1000;
      lane.submit({ producerSeq: n, firstSentUs: nowUs, startedUs: nowUs, publish }, nowUs);
    });
  }

  #publish(ratePerS: number): void {
    const startUs = monotonicUs();
    let sentCount = 0;
    this.#timer = setInterval(() => {
      const due = dueCount(monotonicUs() - startUs, ratePerS, Number.MAX_SAFE_INTEGER);
      for (; sentCount < due; sentCount += 1) this.#send[sentCount % this.#send.length]?.();
    }, TICK_MS);
  }
}

function outcomeOf(error: CodedError | null): Pick<Publish, "outcome" | "code" | "detail"> {
  if (error === null) return { outcome: "acked", code: "", detail: "" };
  const { code, detail } = error;
  return { outcome: code === "OUTCOME_UNKNOWN" ? "unknown" : "failed", code, detail };
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, TICK_MS));
}

const worker = new MoveWorker((message) => process.send?.(message));
process.on("message", (command: MoveCommand) => worker.handle(command));
