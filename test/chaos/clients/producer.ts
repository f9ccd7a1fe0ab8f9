/**
 * A producer with the TypeScript SDK, in a process of its own. It writes every call of publish down
 * before it is made, and what became of it.
 *
 * On stdin: "start" publishes at the rates of its rooms, "burst <room> <count>" at once, "stop"
 * ends it; the process ends with its stdin. It never repeats a publish: the SDK does.
 */
import { createInterface } from "node:readline";
import { type Client, connect, json, TidegateError } from "../../../sdk/typescript/index.ts";
import { type ChaosPayload, nowUs, type ProducerRoom, type ProducerWork, tell } from "./lines.ts";
import { skewClocks } from "./skew.ts";

/** How often due publishes are looked for, ms. */
const TICK_MS = 10;
/** One in so many payloads is large. */
const LARGE_ONE_IN = 50;

class Producer {
  readonly #work: ProducerWork;
  readonly #client: Client<ChaosPayload>;
  readonly #under = new Set<Promise<void>>();
  readonly #counts = new Map<string, number>();
  #isStopped = false;

  constructor(work: ProducerWork, client: Client<ChaosPayload>) {
    this.#work = work;
    this.#client = client;
  }

  /** Publishes to all rooms at their rates until stopped; resolves when all have ended. */
  async run(): Promise<void> {
    const startMs = Number(nowUs()) / 1000;
    while (!this.#isStopped) {
      const elapsedS = (nowUs() / 1000 - startMs) / 1000;
      for (const room of this.#work.rooms) {
        const due = Math.floor(elapsedS * room.perSecond);
        // After a standstill of the process what was due is left out.
        if (due - this.#count(room) > Math.max(1, room.perSecond)) this.#skipTo(room, due);
        else if (this.#count(room) < due) {
          this.#skipTo(room, this.#count(room) + 1);
          this.#publish(room.name);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await Promise.all(this.#under);
  }

  /** Publishes some messages at once. */
  burst(room: string, count: number): void {
    for (let left = count; left > 0; left -= 1) this.#publish(room);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #count({ name }: ProducerRoom): number {
    return this.#counts.get(`due ${name}`) ?? 0;
  }

  #skipTo({ name }: ProducerRoom, due: number): void {
    this.#counts.set(`due ${name}`, due);
  }

  #publish(name: string): void {
    const n = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, n);
    const bytes = n % LARGE_ONE_IN === 0 ? this.#work.largeBytes : this.#work.bytes;
    tell({ t: "call", room: name, n, at: nowUs() });
    const payload = { p: this.#work.name, n, x: "x".repeat(bytes) };
    const ended = this.#client.publish(name, payload).then(
      ({ position }) => tell({ t: "ack", room: name, n, at: nowUs(), place: position }),
      (error: unknown) => {
        const code = error instanceof TidegateError ? error.code : String(error);
        tell({ t: "fail", room: name, n, at: nowUs(), code, detail: String(error) });
      },
    );
    this.#under.add(ended);
    void ended.then(() => this.#under.delete(ended));
  }
}

const work = JSON.parse(process.argv[2] ?? "") as ProducerWork;
if (work.skew !== null) skewClocks(work.skew);
const orders = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
const client = await connect(work.url, {
  codec: json<ChaosPayload>(),
  connectTimeoutMs: Number.POSITIVE_INFINITY,
  handshakeTimeoutMs: 3000,
});
client.onStatus(({ state }) => tell({ t: state === "open" ? "back" : "away", at: nowUs() }));
const producer = new Producer(work, client);
orders.on("line", (line) => {
  const [verb, room = "", count] = line.split(" ");
  if (verb === "start") void producer.run().then(() => tell({ t: "done" }));
  if (verb === "burst") producer.burst(room, Number(count));
  if (verb === "stop") producer.stop();
});
tell({ t: "ready" });
