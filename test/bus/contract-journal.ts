/**
 * Rules of the journal: what is noted can be read by user, by room and by process, and what was
 * dropped is told.
 */
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { NOTE_RATES } from "../../bus/journal/note-rate.ts";
import type { JournalEntry, JournalNote } from "../../bus/journal.ts";
import {
  JournalAct,
  JournalClosed,
  JournalGap,
  JournalJoined,
  JournalRefused,
  JournalSigns,
} from "../../proto/gen/tidegate/bus/v1/journal.ts";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import type { DeclareRule } from "./contract.ts";
import { codeOf, nowUs } from "./contract-tools.ts";

const tenant = "acme";
const NOTHING = new Uint8Array(0);
const all = () => true;

/** Declares the rules. */
export function journalRules(rule: DeclareRule): void {
  rule(
    "journal: a user's records come back, by time, each once, and no one else's",
    async (bus) => {
      const [user, other] = [newUser(), newUser()];
      const startUs = nowUs();
      const position = { epoch: 3, seq: 2n ** 52n, timeUs: BigInt(startUs) };
      bus.journal.note({ ...joined("chat:a", position), tenant, user });
      for (let i = 0; i < 20; i += 1)
        bus.journal.note({ ...joined(`chat:${i}`), tenant, user: other });
      bus.journal.note({ ...closed(1006), tenant, user });
      bus.journal.note({ ...joined("chat:b"), tenant: "rival", user });
      await bus.journal.flush();
      const read = await readUser(bus, user, startUs);
      expect(read.map(({ record }) => record.what?.$case)).toEqual(["joined", "closed"]);
      const [first] = read;
      expect(first).toMatchObject({ process: bus.self.id, incarnation: bus.self.incarnation });
      expect(first?.record).toMatchObject({ tenant, user, room: "chat:a" });
      expect(first?.record.what).toMatchObject({ value: { from: position, durable: true } });
      expect(Number(first?.record.timeUs)).toBeGreaterThanOrEqual(startUs);
      expect(await readUser(bus, newUser(), startUs)).toEqual([]);
      const later = Number(read[1]?.record.timeUs) + 1;
      expect(await readUser(bus, user, later)).toEqual([]);
    },
  );

  rule("journal: rooms and processes have records of their own", async (bus) => {
    const room = `chat:${newUser()}`;
    const startUs = nowUs();
    const gap = { ...JournalGap.decode(NOTHING), reason: GapReason.BUS, missedCount: 7n };
    bus.journal.note({ tenant, room, what: { $case: "gap", value: gap } });
    const signs = { ...JournalSigns.decode(NOTHING), connectionCount: 4 };
    bus.journal.note({ what: { $case: "signs", value: signs } });
    await bus.journal.flush();
    const ofRoom = await bus.journal.read({ kind: "room", tenant, room }, startUs, isOf(room));
    expect(ofRoom.entries.map(({ record }) => record.what)).toMatchObject([{ value: gap }]);
    const self = { kind: "process", id: bus.self.id } as const;
    const ofProcess = await bus.journal.read(self, startUs, all);
    expect(ofProcess.isCut).toBe(false);
    expect(ofProcess.entries.map(({ record }) => record.what)).toMatchObject([{ value: signs }]);
  });

  rule(
    "journal: a flood of refusals is bounded, leaves joins their place, and is told",
    async (bus) => {
      const user = newUser();
      const startUs = nowUs();
      const { burst } = NOTE_RATES.refusal;
      const value = {
        ...JournalRefused.decode(NOTHING),
        code: "PERMISSION_DENIED",
        act: JournalAct.JOIN,
      };
      for (let i = 0; i < burst * 2; i += 1) {
        bus.journal.note({ tenant, user, room: "chat:a", what: { $case: "refused", value } });
      }
      bus.journal.note({ ...joined("chat:a"), tenant, user });
      const { droppedCount } = bus.journal.counters();
      await bus.journal.flush();
      const cases = (await readUser(bus, user, startUs)).map(({ record }) => record.what?.$case);
      expect(cases.filter((each) => each === "refused")).toHaveLength(burst * 2 - droppedCount);
      expect(droppedCount).toBeGreaterThan(burst / 2);
      expect(cases.at(-1)).toBe("joined");
      const told = await bus.journal.read({ kind: "dropped" }, startUs, isBy(bus));
      const [what] = told.entries.map(({ record }) => record.what);
      expect(what).toMatchObject({ $case: "dropped", value: { count: BigInt(droppedCount) } });
    },
  );

  rule("journal: says what it covers and holds; an ended bus answers UNAVAILABLE", async (bus) => {
    bus.journal.note({ ...joined("chat:a"), tenant, user: newUser() });
    await bus.journal.flush();
    const span = await bus.journal.span();
    expect(span?.fromUs).toBeLessThanOrEqual(nowUs());
    expect(span?.fromUs).toBeGreaterThan(nowUs() - 25 * 3600e6);
    expect(span?.bytes).toBeGreaterThan(0);
    expect(span?.bytesMax).toBeGreaterThanOrEqual(16 * 1024 ** 2);
    expect(bus.journal.counters()).toMatchObject({ keptCount: 1, droppedCount: 0 });
    await bus.close();
    bus.journal.note({ ...joined("chat:a"), tenant, user: newUser() });
    expect(await codeOf(() => bus.journal.span())).toBe("UNAVAILABLE");
  });
}

function newUser(): string {
  return `u${randomBytes(8).toString("hex")}`;
}

function joined(room: string, from?: JournalJoined["from"]): JournalNote {
  const value = { ...JournalJoined.decode(NOTHING), from, durable: true };
  return { room, what: { $case: "joined", value } };
}

function closed(code: number): JournalNote {
  return { what: { $case: "closed", value: { ...JournalClosed.decode(NOTHING), code } } };
}

function isOf(room: string) {
  return ({ record }: JournalEntry) => record.room === room;
}

function isBy(bus: Bus) {
  return ({ incarnation }: JournalEntry) => incarnation === bus.self.incarnation;
}

async function readUser(bus: Bus, user: string, sinceUs: number): Promise<readonly JournalEntry[]> {
  const wanted = ({ record }: JournalEntry) => record.tenant === tenant && record.user === user;
  return (await bus.journal.read({ kind: "user", tenant, user }, sinceUs, wanted)).entries;
}
