/**
 * An hour of a fleet without a control plane, on a simulated clock: the real seats and permits of
 * virtual gateways on a KV in memory, while gateways are killed and clients come and go.
 */

import { expect, onTestFinished, test, vi } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import type { KeyValue } from "../../../bus/key-value.ts";
import { type Connection, newConnection, Phase } from "../../../gateway/connection.ts";
import { makeIdentity } from "../../../gateway/identity.ts";
import { Limits } from "../../../gateway/seats/limits.ts";
import { Seats } from "../../../gateway/seats/seats.ts";
import { SessionTokens } from "../../../gateway/seats/session-token.ts";
import type { Sender } from "../../../gateway/sender.ts";
import { CodedError } from "../../../proto/coded-error.ts";
import { Limit, OutagePolicy } from "../../../proto/gen/tidegate/control/v1/limit.ts";
import { type LimitName, limitKey } from "../../../proto/limits.ts";

const HOUR_S = 3600;
const LEASE_MS = 45_000;
const USER_LIMIT = 3;
const TENANT_LIMIT = 60;
const USER_COUNT = 30;

/** Keys by compare-and-set; times to live are left out, since nothing here waits for one. */
class MemoryKeys {
  readonly #entries = new Map<string, { key: string; value: Uint8Array; revision: number }>();
  #revision = 0;

  async get(key: string) {
    return this.#entries.get(key) ?? null;
  }
  async create(key: string, value: Uint8Array) {
    return this.#put(key, value, 0, "ALREADY_EXISTS");
  }
  async update(key: string, value: Uint8Array, revision: number) {
    return this.#put(key, value, revision, "ETAG_MISMATCH");
  }
  #put(key: string, value: Uint8Array, after: number, code: "ALREADY_EXISTS" | "ETAG_MISMATCH") {
    if ((this.#entries.get(key)?.revision ?? 0) !== after) throw new CodedError(code, key);
    this.#revision += 1;
    this.#entries.set(key, { key, value, revision: this.#revision });
    return this.#revision;
  }
}

interface VirtualGateway {
  readonly id: string;
  readonly seats: Seats;
  readonly open: Set<Client>;
  killedMs: number | null;
}

interface Client {
  readonly user: string;
  readonly gateway: VirtualGateway;
  readonly connection: Connection;
  readonly token: Buffer;
  readonly dialCount: number;
}

class World {
  readonly keys = new MemoryKeys();
  readonly gateways: VirtualGateway[] = [];
  readonly answers = new Map<string, (body: Uint8Array) => Uint8Array>();
  refusedCount = 0;
  returnedCount = 0;
  #connectionNumber = 0;

  get living(): VirtualGateway[] {
    return this.gateways.filter(({ killedMs }) => killedMs === null);
  }

  clients(): Client[] {
    return this.living.flatMap(({ open }) => [...open]);
  }

  start(): void {
    const id = `gw${this.gateways.length}`;
    const feeds: ((key: string, value: Uint8Array) => string | null)[] = [];
    const limits = new Limits({ follow: (_prefix, apply) => feeds.push(apply) });
    const set = (limit: LimitName, value: number) => {
      const record = { name: "", value: BigInt(value), outagePolicy: OutagePolicy.FAIL_CLOSED };
      const more = { etag: "", updateTime: undefined, used: 0n };
      feeds[0]?.(limitKey("t", limit), Limit.encode({ ...record, ...more }).finish());
    };
    set("connections-per-user", USER_LIMIT);
    set("connections", TENANT_LIMIT);
    const open = new Set<Client>();
    const sender = {
      close: (connection: Connection) => {
        connection.phase = Phase.CLOSED;
        for (const client of open) if (client.connection === connection) this.end(client, false);
      },
    };
    const silent = () => {};
    const seats = new Seats({
      ...{ bus: this.#bus(id), limits, sender: sender as unknown as Sender, holdMs: LEASE_MS },
      ...{ tokens: new SessionTokens(Buffer.alloc(32, 7)), hasRoomLimit: () => false },
      log: { debug: silent, info: silent, warn: silent, error: silent },
    });
    this.gateways.push({ id, seats, open, killedMs: null });
  }

  /** A connect, with the token of an earlier connection or none. */
  async connect(gateway: VirtualGateway, user: string, before?: Client): Promise<Client | null> {
    this.#connectionNumber += 1;
    const connection = newConnection(this.#connectionNumber);
    const identity = makeIdentity({ tenant: "t", user, grants: [] });
    const dialCount = (before?.dialCount ?? 0) + 1;
    const hello = { sessionToken: before?.token ?? Buffer.alloc(0), dialCount };
    try {
      await gateway.seats.admit(connection, identity, hello, () => "");
    } catch (error) {
      expect(CodedError.from(error).code).toBe("LIMIT_REACHED");
      this.refusedCount += 1;
      return null;
    }
    const token = gateway.seats.token(connection, identity);
    const client = { user, gateway, connection, token, dialCount };
    gateway.open.add(client);
    return client;
  }

  end(client: Client, isFinal: boolean): void {
    if (!client.gateway.open.delete(client)) return;
    client.connection.phase = Phase.CLOSED;
    client.gateway.seats.close(client.connection, isFinal);
  }

  #bus(id: string): Bus {
    const self = { id, incarnation: `${id}-one` };
    const bus = {
      self,
      keyValue: async () => this.keys as unknown as KeyValue,
      beforeResume: () => {},
      answer: (_kind: string, handle: (body: Uint8Array) => Uint8Array) => {
        this.answers.set(id, handle);
        return () => this.answers.delete(id);
      },
      ask: async (to: string, _kind: string, body: Uint8Array) => {
        const isLiving = this.living.some((gateway) => gateway.id === to);
        const handle = isLiving ? this.answers.get(to) : undefined;
        if (handle === undefined) throw new CodedError("NOT_FOUND", to);
        return handle(body);
      },
      topology: {
        processes: async () =>
          this.gateways
            .filter(({ killedMs }) => killedMs === null || Date.now() - killedMs < LEASE_MS)
            .map((each) => ({
              ...{ id: each.id, incarnation: `${each.id}-one`, parts: "gateway" },
              ...{ startedUs: 0, expiresUs: 1 },
            })),
      },
    };
    return bus as unknown as Bus;
  }
}

test("an hour without a control plane: limits hold, and who was cut off is back at once", async () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const world = new World();
  for (let i = 0; i < 4; i += 1) world.start();
  let state = 12_345;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <T>(all: readonly T[]): T | undefined => all[random(all.length)];
  const settle = async (work: Promise<unknown>) => {
    let isDone = false;
    const ended = work.finally(() => {
      isDone = true;
    });
    while (!isDone) await vi.advanceTimersByTimeAsync(10);
    await ended;
  };
  for (let second = 0; second < HOUR_S; second += 2) {
    const some = Array.from({ length: 3 }, () => {
      const gateway = pick(world.living);
      return gateway === undefined ? null : world.connect(gateway, `u${random(USER_COUNT)}`);
    });
    await settle(Promise.all(some));
    const leaving = pick(world.clients());
    if (leaving !== undefined && random(2) === 0) world.end(leaving, random(2) === 0);
    if (second % 170 === 168) {
      const doomed = pick(world.living);
      if (doomed === undefined) throw new Error("nobody lives");
      const cutOff = [...doomed.open];
      doomed.killedMs = Date.now();
      world.start();
      const back = cutOff.map((client) => {
        const gateway = pick(world.living) ?? doomed;
        return world.connect(gateway, client.user, client);
      });
      const all = Promise.all(back);
      await settle(all);
      expect((await all).filter((client) => client === null)).toEqual([]);
      world.returnedCount += cutOff.length;
    }
    await vi.advanceTimersByTimeAsync(1900);
    const byUser = new Map<string, number>();
    for (const { user } of world.clients()) byUser.set(user, (byUser.get(user) ?? 0) + 1);
    expect(Math.max(0, ...byUser.values())).toBeLessThanOrEqual(USER_LIMIT);
    expect(world.clients().length).toBeLessThanOrEqual(TENANT_LIMIT);
  }
  // It was full all the time, and gateways died with clients on them.
  expect(world.refusedCount).toBeGreaterThan(1000);
  expect(world.returnedCount).toBeGreaterThan(100);
  expect(world.clients().length).toBeGreaterThan(TENANT_LIMIT / 2);
}, 120_000);
