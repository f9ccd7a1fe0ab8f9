/**
 * Follows a bucket of the bus KV that a gateway can do without for a while: tried again until the
 * bus lets it.
 */
import type { Bus, Unsubscribe } from "../../bus/bus.ts";
import type { KeyValueChange } from "../../bus/key-value.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Log } from "../log.ts";

/** A bucket that could not be opened or watched is tried again after this, ms. */
export const FOLLOW_RETRY_MS = 5000;

/** What is followed. */
export interface FollowedBucket {
  readonly bucket: string;
  /** Keys that begin so; "" for all. */
  readonly prefix: string;
  onChange(change: KeyValueChange): void;
  /** Logged each time that it can not be followed. */
  readonly trouble: string;
}

/** Follows it from now on; call what it returns to end that. */
export function followBucket(
  bus: Pick<Bus, "keyValue">,
  log: Log,
  { bucket, prefix, onChange, trouble }: FollowedBucket,
): Unsubscribe {
  let isClosed = false;
  let timer: NodeJS.Timeout | null = null;
  let unwatch: Unsubscribe = () => {};
  const open = async () => {
    const keys = await bus.keyValue(bucket);
    if (isClosed) return;
    unwatch = await keys.watch(prefix, { onChange, onSynced() {} });
    if (isClosed) unwatch();
  };
  const attempt = () => {
    open().catch((error: unknown) => {
      if (isClosed) return;
      const { code, detail } = CodedError.from(error);
      log.warn({ code, detail }, trouble);
      timer = setTimeout(attempt, FOLLOW_RETRY_MS).unref();
    });
  };
  attempt();
  return () => {
    isClosed = true;
    if (timer !== null) clearTimeout(timer);
    unwatch();
  };
}
