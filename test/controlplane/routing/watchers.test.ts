/** Gateways that follow: at their own pace, and a slow one costs nothing. */
import { expect, test } from "vitest";
import { ConfigLog, encodeResponse } from "../../../controlplane/routing/config-log.ts";
import { type Outlet, Watchers } from "../../../controlplane/routing/watchers.ts";
import { StreamRoutingResponse } from "../../../proto/gen/tidegate/control/v1/routing_service.ts";

/** A connection that takes a message when told to. */
class Pipe implements Outlet {
  readonly frames: Buffer[] = [];
  isOpen = true;
  why = "";
  #done: (() => void)[] = [];

  write(frame: Buffer, done: () => void): void {
    expect(this.#done).toHaveLength(0); // one message on its way
    this.frames.push(frame);
    this.#done.push(done);
    if (this.isOpen) this.drain();
  }

  cut(why: string): void {
    this.why = why;
  }

  drain(): void {
    for (const done of this.#done.splice(0)) done();
  }

  /** What came, in short: "config 5", "age", "directory". */
  get kinds(): string[] {
    return this.frames.map((frame) => {
      const { version, ageMs, allGateways, gateways } = StreamRoutingResponse.decode(frame);
      if (ageMs !== undefined) return "age";
      if (allGateways) return "directory";
      return gateways.length > 0 ? "gateways" : `config ${version}`;
    });
  }
}

function setUp() {
  const log = new ConfigLog();
  let nowMs = 0;
  const version = () => BigInt(log.version);
  const side = {
    age: () => encodeResponse({ version: version(), ageMs: 1 }),
    directory: () => [encodeResponse({ version: version(), allGateways: true })],
  };
  const watchers = new Watchers(log, side, () => nowMs);
  const put = (revision: number, key = "class.acme.chat") => {
    log.apply({ key, value: new Uint8Array(Buffer.from(`${revision}`)), revision });
    watchers.flush();
  };
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { log, watchers, put, pass };
}

test("add: what it lacks, the directory, and how old it is; then each change", () => {
  const { watchers, put } = setUp();
  put(1);
  const pipe = new Pipe();
  watchers.add("g1", 0, pipe);
  expect(pipe.kinds).toEqual(["config 1", "directory", "age"]);
  put(2);
  watchers.tellAge();
  expect(pipe.kinds.slice(3)).toEqual(["config 2", "age"]);
});

test("flush: those that keep up get the very same bytes", () => {
  const { watchers, put } = setUp();
  put(1);
  const pipes = Array.from({ length: 5 }, () => new Pipe());
  for (const [i, pipe] of pipes.entries()) watchers.add(`g${i}`, 0, pipe);
  put(2);
  const [first] = pipes;
  for (const pipe of pipes) {
    for (const [i, frame] of pipe.frames.entries()) {
      if (pipe.kinds[i]?.startsWith("config")) expect(frame).toBe(first?.frames[i]);
    }
  }
});

test("a slow one: 10 000 changes cost it one message, with the newest of each key", () => {
  const { watchers, put } = setUp();
  put(1);
  const [slow, quick] = [new Pipe(), new Pipe()];
  watchers.add("slow", 1, slow);
  watchers.add("quick", 1, quick);
  slow.isOpen = false;
  for (let revision = 2; revision <= 10_001; revision += 1)
    put(revision, `class.acme.c${revision % 3}`);
  watchers.tellAge();
  watchers.tellDirectory(encodeResponse({ gateways: [] }));
  expect(slow.frames).toHaveLength(4); // what it was sent before, and one on its way
  expect(quick.frames.length).toBeGreaterThan(10_000);
  slow.isOpen = true;
  slow.drain();
  expect(slow.kinds.slice(4)).toEqual(["config 10001", "directory", "age"]);
  const { records } = StreamRoutingResponse.decode(slow.frames[4] ?? Buffer.alloc(0));
  expect(records.map(({ revision }) => Number(revision))).toEqual([9999, 10_000, 10_001]);
});

test("an update in several messages is finished before the next begins", () => {
  const { log, watchers, put } = setUp();
  const large = new Uint8Array(100_000);
  for (let i = 1; i <= 3; i += 1) log.apply({ key: `class.acme.c${i}`, value: large, revision: i });
  const pipe = new Pipe();
  pipe.isOpen = false;
  watchers.add("g", 0, pipe);
  put(4);
  pipe.isOpen = true;
  pipe.drain();
  expect(pipe.kinds).toEqual(["config 3", "config 3", "config 3", "config 4", "directory", "age"]);
});

test("cutStuck: only those that have taken nothing for so long; the removed get nothing more", () => {
  const { watchers, put, pass } = setUp();
  put(1);
  const [stuck, well, gone] = [new Pipe(), new Pipe(), new Pipe()];
  stuck.isOpen = false;
  watchers.add("stuck", 0, stuck);
  watchers.add("well", 0, well);
  watchers.remove(watchers.add("gone", 0, gone));
  pass(29_999);
  watchers.cutStuck(30_000);
  expect(stuck.why).toBe("");
  pass(1);
  watchers.cutStuck(30_000);
  expect([stuck.why, well.why]).toEqual(["the gateway has read nothing for 30000 ms", ""]);
  expect(watchers.count).toBe(1);
  const before = gone.frames.length;
  put(2);
  expect(gone.frames).toHaveLength(before);
});
