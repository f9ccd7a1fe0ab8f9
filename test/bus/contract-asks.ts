/**
 * Rules of questions between processes, and of what a process says of itself.
 *
 * One bus asks itself here: the same way as any other process. test/nats asks across processes.
 */
import { expect } from "vitest";
import { ANSWER_COUNT_MAX, ASK_BYTES_MAX, type Bus } from "../../bus/bus.ts";
import { FACTS_BYTES_MAX } from "../../bus/topology.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { DeclareRule } from "./contract.ts";
import { codeOf, envelopeOf, nowUs, textOf } from "./contract-tools.ts";

const timeoutMs = 5000;
const nothing = new Uint8Array(0);

/** Declares the rules. */
export function askRules(rule: DeclareRule): void {
  rule("ask: is answered by the handler of its kind, whatever the bytes", async (bus) => {
    const id = await ownId(bus);
    bus.answer("echo", (body) => body);
    bus.answer("twice", async (body) => envelopeOf(textOf(body) + textOf(body)));
    const large = new Uint8Array(ASK_BYTES_MAX).fill(7);
    expect(textOf(await bus.ask(id, "echo", envelopeOf("hello"), timeoutMs))).toBe("hello");
    expect(textOf(await bus.ask(id, "twice", envelopeOf("ab"), timeoutMs))).toBe("abab");
    expect(await bus.ask(id, "echo", nothing, timeoutMs)).toHaveLength(0);
    expect(Buffer.compare(await bus.ask(id, "echo", large, timeoutMs), large)).toBe(0);
  });

  rule("ask: nobody there, or no handler of that kind any more, is NOT_FOUND", async (bus) => {
    const id = await ownId(bus);
    expect(await codeOf(() => bus.ask("nobody", "echo", nothing, timeoutMs))).toBe("NOT_FOUND");
    expect(await codeOf(() => bus.ask("No.Name *", "echo", nothing, timeoutMs))).toBe("NOT_FOUND");
    expect(await codeOf(() => bus.ask(id, "echo", nothing, timeoutMs))).toBe("NOT_FOUND");
    const end = bus.answer("echo", (body) => body);
    await bus.ask(id, "echo", nothing, timeoutMs);
    const endNewer = bus.answer("echo", () => envelopeOf("newer"));
    expect(textOf(await bus.ask(id, "echo", nothing, timeoutMs))).toBe("newer");
    endNewer();
    expect(textOf(await bus.ask(id, "echo", nothing, timeoutMs))).toBe("");
    end();
    end();
    expect(await codeOf(() => bus.ask(id, "echo", nothing, timeoutMs))).toBe("NOT_FOUND");
  });

  rule(
    "ask: what the handler throws comes back coded, a fault of ours as INTERNAL",
    async (bus) => {
      const id = await ownId(bus);
      bus.answer("refuse", () => {
        throw new CodedError("ETAG_MISMATCH", "it has changed");
      });
      bus.answer("fail", () => Promise.reject(new Error("a fault")));
      bus.answer("flood", () => new Uint8Array(ASK_BYTES_MAX + 1));
      await expect(bus.ask(id, "refuse", nothing, timeoutMs)).rejects.toMatchObject({
        code: "ETAG_MISMATCH",
        detail: "it has changed",
      });
      expect(await codeOf(() => bus.ask(id, "fail", nothing, timeoutMs))).toBe("INTERNAL");
      expect(await codeOf(() => bus.ask(id, "flood", nothing, timeoutMs))).toBe("INTERNAL");
    },
  );

  rule("ask: no answer in time is UNAVAILABLE", async (bus) => {
    const id = await ownId(bus);
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    bus.answer("silent", () => {
      resolve();
      return new Promise(() => {});
    });
    expect(await codeOf(() => bus.ask(id, "silent", nothing, 100))).toBe("UNAVAILABLE");
    await asked;
  });

  rule("ask: too many at once are refused, and the next ones answered again", async (bus) => {
    const id = await ownId(bus);
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: full, resolve: onFull } = Promise.withResolvers<void>();
    let count = 0;
    bus.answer("slow", async (body) => {
      count += 1;
      if (count === ANSWER_COUNT_MAX) onFull();
      await gate;
      return body;
    });
    const asks = Array.from({ length: ANSWER_COUNT_MAX }, () =>
      bus.ask(id, "slow", nothing, timeoutMs),
    );
    await full;
    expect(await codeOf(() => bus.ask(id, "slow", nothing, timeoutMs))).toBe("UNAVAILABLE");
    open();
    await Promise.all(asks);
    expect(await codeOf(() => bus.ask(id, "slow", nothing, timeoutMs))).toBe("no error");
    expect(count).toBe(ANSWER_COUNT_MAX + 1);
  });

  rule(
    "ask: what can not be asked is REQUEST_INVALID; an ended bus is UNAVAILABLE",
    async (bus) => {
      const id = await ownId(bus);
      const large = new Uint8Array(ASK_BYTES_MAX + 1);
      for (const [kind, body, ms] of [
        ["A b", nothing, timeoutMs],
        ["echo.x", nothing, timeoutMs],
        ["echo", large, timeoutMs],
        ["echo", nothing, 0],
        ["echo", nothing, Number.NaN],
      ] as const) {
        expect(await codeOf(() => bus.ask(id, kind, body, ms))).toBe("REQUEST_INVALID");
      }
      await bus.close();
      expect(await codeOf(() => bus.ask(id, "echo", nothing, timeoutMs))).toBe("UNAVAILABLE");
      expect(await codeOf(() => bus.answer("echo", (body) => body))).toBe("UNAVAILABLE");
    },
  );

  rule("announce: what a process says of itself is in the list of processes soon", async (bus) => {
    const id = await ownId(bus);
    for (const text of ["one", "two"]) {
      bus.topology.announce(envelopeOf("never seen"));
      bus.topology.announce(envelopeOf(text));
      while (textOf(await factsOf(bus, id)) !== text);
    }
    expect(await codeOf(() => bus.topology.announce(new Uint8Array(FACTS_BYTES_MAX + 1)))).toBe(
      "REQUEST_INVALID",
    );
    bus.topology.announce(new Uint8Array(FACTS_BYTES_MAX));
  });
}

/** The id of the bus's own process: others that have ended may be listed still. */
async function ownId(bus: Bus): Promise<string> {
  const all = await bus.topology.processes();
  const own = all.find(({ expiresUs }) => expiresUs === null || expiresUs > nowUs());
  return own?.id ?? "";
}

async function factsOf(bus: Bus, id: string): Promise<Uint8Array> {
  const all = await bus.topology.processes();
  return all.find((entry) => entry.id === id)?.facts ?? nothing;
}
