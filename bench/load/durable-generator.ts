/**
 * A load generator process for durable publishes: closed loop with a number in flight, or paced.
 *
 * Answers that come in one read are followed by as many publishes in one write, as an SDK with a
 * queue would do it.
 */
import { monotonicUs } from "./clock.ts";
import { DurableConnection } from "./durable-connection.ts";
import { dueAtUs, dueCount } from "./pace.ts";
import type { DurableCommand, DurablePlan, DurableReply } from "./protocol.ts";
import { ReadBuffer } from "./socket.ts";
import { Tally, takeFigures } from "./tally.ts";

/** Publish timer of the paced mode. */
const TICK_MS = 1;

class DurableGenerator {
  readonly #tally = new Tally();
  readonly #connections: DurableConnection[] = [];
  readonly #reply: (message: DurableReply) => void;
  #inFlightPerConnection = 0;
  /** Publishes not sent yet. */
  #leftCount = 0;
  #isPaced = false;
  #isFillDue = false;
  #isPublishing = false;

  constructor(reply: (message: DurableReply) => void) {
    this.#reply = reply;
  }

  handle(command: DurableCommand): void {
    switch (command.kind) {
      case "open":
        this.#open(command.plan);
        return;
      case "publish":
        this.#publish(command.count, command.ratePerS);
        return;
      case "take":
        this.#reply(takeFigures(this.#tally));
        return;
      default:
        command satisfies never;
    }
  }

  #open(plan: DurablePlan): void {
    const shared = new ReadBuffer();
    const url = new URL(plan.url);
    let opened = 0;
    this.#inFlightPerConnection = Math.max(1, Math.floor(plan.inFlightMax / plan.connectionCount));
    const onOpened = (): void => {
      opened += 1;
      if (opened === plan.connectionCount) this.#reply({ kind: "opened" });
    };
    const onAnswer = (): void => this.#onAnswer();
    for (let i = 0; i < plan.connectionCount; i += 1) {
      this.#connections.push(
        new DurableConnection(url, i, shared, this.#tally, onOpened, onAnswer),
      );
    }
  }

  #publish(count: number, ratePerS: number): void {
    this.#leftCount = count;
    this.#isPublishing = true;
    this.#isPaced = ratePerS > 0;
    if (this.#isPaced) this.#pace(count, ratePerS);
    else this.#fill();
  }

  #onAnswer(): void {
    if (this.#leftCount === 0) this.#finishWhenAnswered();
    else if (!this.#isPaced && !this.#isFillDue) {
      this.#isFillDue = true;
      setImmediate(() => this.#fill());
    }
  }

  /** Tops every connection up to its share of publishes in flight. */
  #fill(): void {
    this.#isFillDue = false;
    for (const connection of this.#connections) {
      const room = this.#inFlightPerConnection - connection.inFlightCount;
      const count = Math.min(this.#leftCount, room);
      if (count <= 0) continue;
      this.#leftCount -= count;
      connection.publish(count);
    }
  }

  #pace(count: number, ratePerS: number): void {
    const startUs = monotonicUs();
    const tick = (): void => {
      const elapsedUs = monotonicUs() - startUs;
      const due = dueCount(elapsedUs, ratePerS, count);
      for (let i = count - this.#leftCount; i < due && this.#publishInTurn(i); i += 1) {
        this.#tally.sendLag.record(elapsedUs - dueAtUs(i, ratePerS));
        this.#leftCount -= 1;
      }
      if (this.#leftCount > 0) setTimeout(tick, TICK_MS);
    };
    tick();
  }

  /** False when the connection whose turn it is has all it may have in flight: it stays due. */
  #publishInTurn(turn: number): boolean {
    const connection = this.#connections[turn % this.#connections.length];
    if (connection === undefined || connection.inFlightCount >= this.#inFlightPerConnection) {
      return false;
    }
    connection.publish(1);
    return true;
  }

  #finishWhenAnswered(): void {
    if (!this.#isPublishing) return;
    if (this.#connections.some((connection) => connection.inFlightCount > 0)) return;
    this.#isPublishing = false;
    this.#reply({ kind: "published" });
  }
}

const generator = new DurableGenerator((message) => process.send?.(message));
process.on("message", (command: DurableCommand) => generator.handle(command));
process.once("disconnect", () => process.exit()); // connections end with the process
