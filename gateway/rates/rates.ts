/**
 * The rates that clients are held to on this gateway: frames and bytes of a connection, publishes
 * of a user, a room and a class, connects of a tenant.
 *
 * Token buckets as plain numbers (bucket.ts), made with the first frame under a limit and forgotten
 * when they are full again. What is done here is done once for a frame of a client, never for one
 * that is delivered.
 */
import type { ClassPolicy } from "../../proto/room-class.ts";
import type { Connection } from "../connection.ts";
import type { Identity } from "../identity.ts";
import { LimitError } from "../limit-error.ts";
import type { Target } from "../rooms.ts";
import type { Limits } from "../seats/limits.ts";
import { takeFrom, waitFor } from "./bucket.ts";
import { NO_RATES, type TenantRates } from "./tenant-rates.ts";

/** Full buckets are looked for this often, ms: that is how long a bucket needs to be full. */
const SWEEP_MS = 2000;
/**
 * Buckets of rooms and of users without a connection; some 100 bytes each. Beyond it all are
 * forgotten, and so full.
 */
export const BUCKET_COUNT_MAX = 100_000;

/** Publishes of one user. */
interface UserBucket {
  paidUs: number;
  connectionCount: number;
}

/** What a connection has taken under limits. */
export interface ConnectionRates {
  framesPaidUs: number;
  bytesPaidUs: number;
  readonly user: UserBucket;
  /** Of the user; empty when anonymous. */
  readonly userKey: string;
}

interface ClassBucket {
  paidUs: number;
}

export class Rates {
  readonly #limits: Pick<Limits, "rates">;
  readonly #nowUs: () => number;
  readonly #users = new Map<string, UserBucket>();
  readonly #rooms = new Map<string, number>();
  /** A changed class has another policy, and a full bucket. */
  readonly #classes = new WeakMap<ClassPolicy, ClassBucket>();
  readonly #connects = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  /** Frames, publishes and connects that were refused. */
  refusedCount = 0;

  /** @param nowUs a clock that does not jump, microseconds; default: the process's. */
  constructor(limits: Pick<Limits, "rates">, nowUs = () => performance.now() * 1000) {
    this.#limits = limits;
    this.#nowUs = nowUs;
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  /** Buckets that are kept, of connections aside. */
  get bucketCount(): number {
    return this.#users.size + this.#rooms.size + this.#connects.size;
  }

  /** The limits of a tenant; all 0 without. */
  of(tenant: string): TenantRates {
    return this.#limits.rates(tenant);
  }

  /**
   * Takes a frame of a connection.
   *
   * Hot path, for every frame of a client. Budget: one look-up without limits.
   *
   * @returns null, or what it is refused with: `RATE_LIMITED`.
   */
  takeFrame(connection: Connection, identity: Identity, byteCount: number): LimitError | null {
    const own = this.#limits.rates(identity.tenant);
    if (own === NO_RATES || own.framesPerSecond + own.bytesPerSecond === 0) return null;
    const rates = this.#ratesOf(connection, identity);
    const nowUs = this.#nowUs();
    let framesPaidUs = 0;
    if (own.framesPerSecond > 0) {
      const costUs = 1e6 / own.framesPerSecond;
      framesPaidUs = takeFrom(rates.framesPaidUs, nowUs, costUs);
      if (framesPaidUs < 0) {
        const waitUs = waitFor(rates.framesPaidUs, nowUs, costUs);
        return this.#refuse("frames-per-second", own.framesPerSecond, waitUs, "a connection");
      }
    }
    if (own.bytesPerSecond > 0) {
      const costUs = (byteCount * 1e6) / own.bytesPerSecond;
      const paidUs = takeFrom(rates.bytesPaidUs, nowUs, costUs);
      if (paidUs < 0) {
        const waitUs = waitFor(rates.bytesPaidUs, nowUs, costUs);
        return this.#refuse("bytes-per-second", own.bytesPerSecond, waitUs, "a connection");
      }
      rates.bytesPaidUs = paidUs;
    }
    rates.framesPaidUs = framesPaidUs;
    return null;
  }

  /**
   * Takes a publish of all its limits, or of none.
   *
   * Hot path. Budget: one look-up without limits.
   *
   * @returns null, or what it is refused with: `RATE_LIMITED`.
   */
  takePublish(connection: Connection, identity: Identity, target: Target): LimitError | null {
    const { policy } = target;
    const perUser = this.#limits.rates(identity.tenant).userPublishesPerSecond;
    const perRoom = policy.roomPublishesPerSecondMax;
    const perClass = policy.classPublishesPerSecondMax;
    if (perUser + perRoom + perClass === 0) return null;
    const nowUs = this.#nowUs();
    const user = perUser > 0 ? this.#ratesOf(connection, identity).user : null;
    const userPaidUs = user === null ? 0 : takeFrom(user.paidUs, nowUs, 1e6 / perUser);
    if (user !== null && userPaidUs < 0) {
      const waitUs = waitFor(user.paidUs, nowUs, 1e6 / perUser);
      return this.#refuse("user-publishes-per-second", perUser, waitUs, "a user");
    }
    const { token } = target.address;
    const roomUs = perRoom > 0 ? (this.#rooms.get(token) ?? 0) : 0;
    const roomPaidUs = perRoom > 0 ? takeFrom(roomUs, nowUs, 1e6 / perRoom) : 0;
    if (roomPaidUs < 0) {
      const waitUs = waitFor(roomUs, nowUs, 1e6 / perRoom);
      return this.#refuse("room-publishes-per-second", perRoom, waitUs, "a room");
    }
    if (perClass > 0) {
      const bucket = this.#classOf(policy);
      const paidUs = takeFrom(bucket.paidUs, nowUs, 1e6 / perClass);
      if (paidUs < 0) {
        const waitUs = waitFor(bucket.paidUs, nowUs, 1e6 / perClass);
        return this.#refuse("class-publishes-per-second", perClass, waitUs, "a room class");
      }
      bucket.paidUs = paidUs;
    }
    if (user !== null) user.paidUs = userPaidUs;
    if (perRoom > 0) this.#keepRoom(token, roomPaidUs);
    return null;
  }

  /**
   * Takes a connect of a tenant.
   *
   * @param gatewayCount that share the limit evenly, 1 or more.
   * @returns null, or what it is refused with: `LIMIT_REACHED`.
   */
  takeConnect(tenant: string, gatewayCount: number): LimitError | null {
    const value = this.#limits.rates(tenant).connectsPerSecond;
    if (value === 0) return null;
    const nowUs = this.#nowUs();
    const costUs = (1e6 * gatewayCount) / value;
    const beforeUs = this.#connects.get(tenant) ?? 0;
    const paidUs = takeFrom(beforeUs, nowUs, costUs);
    if (paidUs >= 0) {
      this.#connects.set(tenant, paidUs);
      return null;
    }
    this.refusedCount += 1;
    const waitMs = Math.ceil(waitFor(beforeUs, nowUs, costUs) / 1000);
    const detail =
      `tenant "${tenant}" may open ${value} connections a second, ` +
      `this gateway's share is 1 of ${gatewayCount}`;
    return new LimitError("LIMIT_REACHED", "connects-per-second", value, detail, waitMs);
  }

  /** A connection is gone. */
  release({ rates }: Connection): void {
    if (rates === null) return;
    rates.user.connectionCount -= 1;
    const isIdle = rates.user.connectionCount === 0 && rates.user.paidUs <= this.#nowUs();
    if (isIdle) this.#users.delete(rates.userKey);
  }

  /** Forgets buckets that are full. */
  sweep(): void {
    const nowUs = this.#nowUs();
    for (const [key, bucket] of this.#users) {
      if (bucket.connectionCount === 0 && bucket.paidUs <= nowUs) this.#users.delete(key);
    }
    for (const buckets of [this.#rooms, this.#connects]) {
      for (const [key, paidUs] of buckets) if (paidUs <= nowUs) buckets.delete(key);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #ratesOf(connection: Connection, { tenant, user }: Identity): ConnectionRates {
    if (connection.rates !== null) return connection.rates;
    const userKey = user === "" ? "" : `${tenant}\0${user}`;
    const bucket = this.#users.get(userKey) ?? { paidUs: 0, connectionCount: 0 };
    if (user !== "") {
      if (this.#users.size >= BUCKET_COUNT_MAX) this.sweep();
      this.#users.set(userKey, bucket);
    }
    bucket.connectionCount += 1;
    connection.rates = { framesPaidUs: 0, bytesPaidUs: 0, user: bucket, userKey };
    return connection.rates;
  }

  #classOf(policy: ClassPolicy): ClassBucket {
    const known = this.#classes.get(policy);
    if (known !== undefined) return known;
    const made = { paidUs: 0 };
    this.#classes.set(policy, made);
    return made;
  }

  #keepRoom(token: string, paidUs: number): void {
    if (this.#rooms.size >= BUCKET_COUNT_MAX && !this.#rooms.has(token)) this.#rooms.clear();
    this.#rooms.set(token, paidUs);
  }

  #refuse(limit: string, value: number, waitUs: number, whose: string): LimitError {
    this.refusedCount += 1;
    const [, unit = ""] = /^(?:user-|room-|class-)?([a-z]+)-/.exec(limit) ?? [];
    const detail = `${value} ${unit} a second of ${whose} are allowed here; send again later`;
    const waitMs = Math.max(1, Math.ceil(waitUs / 1000));
    return new LimitError("RATE_LIMITED", limit, value, detail, waitMs);
  }
}
