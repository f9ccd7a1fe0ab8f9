/** AppendQueue with a sender that answers when the test says so: order around refusals (R3). */
import { describe, expect, test } from "vitest";
import { RecordView, Refusal } from "../../../bus/embedded/append-batch.ts";
import {
  AppendQueue,
  type BatchSender,
  PENDING_BYTES_MAX,
} from "../../../bus/embedded/append-queue.ts";
import type { BatchMessage } from "../../../bus/embedded/worker-protocol.ts";
import { roomAddress } from "../../../bus/subjects.ts";
import { CodedError } from "../../../proto/coded-error.ts";

const room = roomAddress("acme", "chat:queue");
const producer = "0123456789abcdef";

/** Keeps what is sent, and answers it as the worker would. */
class HeldSender implements BatchSender {
  readonly sent: { fence: number; batches: readonly BatchMessage[] }[] = [];
  #lastSeq = 0;

  sendAppends(batches: readonly BatchMessage[], _transfer: ArrayBuffer[], fence: number): void {
    this.sent.push({ fence, batches });
  }

  /** Producer seqs of each send, and its fence. */
  get story(): [number, number[]][] {
    return this.sent.map(({ fence, batches }) => [fence, batches.flatMap(seqsOf)]);
  }

  /** The buffers of one send, all records stored or all refused. */
  answer(index: number, refusal: Refusal | null): ArrayBuffer[] {
    const batches = this.sent[index]?.batches ?? [];
    for (const { buffer, count } of batches) {
      const view = new RecordView(buffer);
      for (let i = 0, at = 0; i < count; i += 1) {
        const next = view.next(at);
        if (refusal !== null) view.refuse(at, refusal);
        else if (!view.isPreRefused(at)) {
          this.#lastSeq += 1;
          view.settle(at, this.#lastSeq, 1, this.#lastSeq - 1, 1);
        }
        at = next;
      }
    }
    return batches.map(({ buffer }) => buffer);
  }
}

function seqsOf({ buffer, count }: BatchMessage): number[] {
  const view = new RecordView(buffer);
  const seqs: number[] = [];
  for (let i = 0, at = 0; i < count; i += 1) {
    seqs.push(view.isPreRefused(at) ? 0 : view.number(at, 0));
    at = view.next(at);
  }
  return seqs;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function makeQueue() {
  const sender = new HeldSender();
  const log: string[] = [];
  // Without a gathering time: what one turn appends is one send, whatever the clock says.
  const queue = new AppendQueue(sender, (_room, { seq }) => log.push(`deliver ${seq}`), 0);
  const append = (seq: number, bytes = 10, then: () => void = () => {}) =>
    queue.append(room, { producer, seq }, 1, new Uint8Array(bytes), (error) => {
      log.push(error === null ? `ack ${seq}` : `${error.code} ${seq}`);
      then();
    });
  return { sender, queue, log, append };
}

describe("AppendQueue", () => {
  test("sends what one loop turn appended as one, and at most two sends ahead", async () => {
    const { sender, queue, log, append } = makeQueue();
    for (const seq of [1, 2, 3]) append(seq);
    await turn();
    append(4);
    await turn();
    append(5);
    await turn();
    append(6);
    await turn();
    expect(sender.story).toEqual([
      [0, [1, 2, 3]],
      [0, [4]],
    ]);
    expect(log).toEqual([]);
    queue.settle(sender.answer(0, null), 0, "");
    expect(log).toEqual(["deliver 1", "ack 1", "deliver 2", "ack 2", "deliver 3", "ack 3"]);
    expect(sender.story[2]).toEqual([0, [5, 6]]);
  });

  test("what came before a refusal was heard goes out under the old fence", async () => {
    const { sender, queue, log, append } = makeQueue();
    append(1, 10, () => append(1));
    await turn();
    append(2);
    queue.settle(sender.answer(0, Refusal.FULL), 1, "full");
    await turn();
    expect(log).toEqual(["STORE_FULL 1"]);
    expect(sender.story.slice(1)).toEqual([
      [0, [2]],
      [1, [1]],
    ]);
  });

  test("after one is refused for too many, all are until that is heard", async () => {
    const { sender, queue, log, append } = makeQueue();
    const bytes = 1024 * 1024;
    const fitting = PENDING_BYTES_MAX / bytes;
    append(1, bytes, () => append(1000));
    await turn();
    for (let seq = 2; seq <= fitting; seq += 1) append(seq, bytes);
    append(500);
    await turn();
    expect(sender.story[1]?.[1].at(-1)).toBe(0);
    // The first send's ack makes room, but 500 has not been answered yet: 1000 must not overtake.
    queue.settle(sender.answer(0, null), 0, "");
    queue.settle(sender.answer(1, null), 0, "");
    await turn();
    expect(log.filter((line) => line.startsWith("UNAVAILABLE"))).toEqual(["UNAVAILABLE 500"]);
    queue.settle(sender.answer(2, null), 0, "");
    expect(log.at(-1)).toBe("UNAVAILABLE 1000");
    append(1001);
    await turn();
    queue.settle(sender.answer(3, null), 0, "");
    expect(log.at(-1)).toBe("ack 1001");
  });

  test("abort: what was sent is unknown, what was held is not stored", async () => {
    const { queue, log, append } = makeQueue();
    append(1);
    await turn();
    append(2);
    queue.abort(new CodedError("UNAVAILABLE", "gone"));
    append(3);
    await turn();
    expect(log).toEqual(["OUTCOME_UNKNOWN 1", "UNAVAILABLE 2", "UNAVAILABLE 3"]);
    await queue.drained();
  });

  test("drained: waits for all, and is at once when there is nothing", async () => {
    const { sender, queue, log, append } = makeQueue();
    await queue.drained();
    append(1);
    const drained = queue.drained().then(() => log.push("drained"));
    expect(sender.story).toEqual([[0, [1]]]);
    queue.settle(sender.answer(0, null), 0, "");
    await drained;
    expect(log).toEqual(["deliver 1", "ack 1", "drained"]);
  });
});
