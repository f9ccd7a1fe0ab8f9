/**
 * Producers and readers around slots that move: real lanes (R3) and real local rooms (R5).
 */
import type { AppendAck, Bus, DurableMessage } from "../../bus/bus.ts";
import { encodeEnvelope } from "../../bus/envelope.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import { LocalRoom, requirePolicy } from "../../gateway/local-room.ts";
import { type LaneEntry, PublishLane } from "../../gateway/publish-lane.ts";
import type { CodedError } from "../../proto/coded-error.ts";
import { Envelope } from "../../proto/gen/tidegate/client/v1/message.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { classPolicy, defaultRoomClass } from "../../proto/room-class.ts";
import { newProducer, nowUs } from "../bus/contract-tools.ts";

interface Entry extends LaneEntry {
  readonly settle: (error: CodedError | null, ack: AppendAck | null) => void;
}

/** A producer with a lane of its own, as a gateway keeps one. */
export class Producer {
  readonly id = newProducer();
  readonly #lane: PublishLane<Entry>;
  #seq = 0;

  constructor(bus: Bus, room: RoomAddress) {
    const lane: PublishLane<Entry> = new PublishLane<Entry>(
      {
        append: (entry) => {
          const id = { producer: this.id, seq: entry.producerSeq };
          const envelope = textEnvelope(this.textOf(entry.producerSeq), entry.firstSentUs);
          bus.append(room, id, entry.firstSentUs, envelope, (error, ack) =>
            lane.settle(entry, error, ack, nowUs()),
          );
        },
        answer: (entry, error, ack) => entry.settle(error, ack),
        retryLater: () => void setTimeout(() => lane.retry(nowUs()), 100),
      },
      bus.publishLimits,
    );
    this.#lane = lane;
  }

  /** What the publish of a count says. */
  textOf(seq: number): string {
    return `${Buffer.from(this.id, "latin1").toString("hex").slice(0, 6)}:${seq}`;
  }

  /** Publishes the next message; resolves with its ack. */
  publish(): Promise<AppendAck> {
    this.#seq += 1;
    const producerSeq = this.#seq;
    return new Promise((resolve, reject) => {
      const settle = (error: CodedError | null, ack: AppendAck | null) => {
        if (ack === null) reject(error);
        else resolve(ack);
      };
      const startedUs = nowUs();
      this.#lane.submit({ producerSeq, firstSentUs: startedUs, startedUs, settle }, startedUs);
    });
  }
}

/** An envelope around a text, as a gateway makes it; readers take nothing else. */
export function textEnvelope(text: string, firstSentUs = nowUs()): Uint8Array {
  const fields = { firstSentUs, user: "", producer: "", producerSeq: 0 };
  return encodeEnvelope(fields, Buffer.from(text));
}

/** The texts of messages. */
export function textsIn(messages: readonly DurableMessage[]): string[] {
  return messages.map(({ envelope }) => Envelope.decode(envelope).payload.toString());
}

/** What the members of a gateway's room get. */
export class Reader {
  readonly texts: string[] = [];
  readonly messages: DurableMessage[] = [];
  gapCount = 0;
  readonly room: LocalRoom;

  constructor(bus: Bus, address: RoomAddress) {
    const policy = requirePolicy(
      classPolicy(address.class, defaultRoomClass("", RoomMode.DURABLE)),
      address.class,
    );
    this.room = new LocalRoom(bus, address, 1, policy, {
      durable: (_room, message) => {
        this.messages.push(message);
        this.texts.push(...textsIn([message]));
      },
      ephemeral: () => {},
      held: () => {},
      beginFill: () => null,
      loss: () => {},
      gap: () => {
        this.gapCount += 1;
      },
      warn: () => {},
    });
  }
}
