/**
 * Buckets of keys, each opened once and made when missing.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { KeyValue } from "../key-value.ts";
import { NatsKeyValue } from "./key-value.ts";

export class Buckets {
  readonly #connection: NatsConnection;
  readonly #replicaCount: number;
  readonly #opened = new Map<string, Promise<KeyValue>>();

  constructor(connection: NatsConnection, replicaCount: number) {
    this.#connection = connection;
    this.#replicaCount = replicaCount;
  }

  /** As Bus.keyValue says; a bucket that could not be opened is tried again at the next call. */
  open(bucket: string): Promise<KeyValue> {
    const known = this.#opened.get(bucket);
    if (known !== undefined) return known;
    if (!/^[a-z][a-z0-9-]{0,31}$/.test(bucket)) {
      const detail = `bucket ${JSON.stringify(bucket)} is not [a-z][a-z0-9-]{0,31}`;
      return Promise.reject(new CodedError("REQUEST_INVALID", detail));
    }
    const opened = NatsKeyValue.open(this.#connection, bucket, this.#replicaCount);
    this.#opened.set(bucket, opened);
    opened.catch(() => this.#opened.delete(bucket));
    return opened;
  }
}
