/**
 * What both implementations of KeyValue refuse before they do anything.
 *
 * Pure.
 */
import { CodedError } from "../proto/coded-error.ts";
import {
  COMMIT_BYTES_MAX,
  COMMIT_COUNT_MAX,
  KEY_CHARS_MAX,
  type KeyWrite,
  PREFIX_COUNT_MAX,
  VALUE_BYTES_MAX,
} from "./key-value.ts";

/** Shortest time to live, ms: the store counts seconds. */
const ttlMsMin = 1000;

const keyPattern = /^[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*$/;
const prefixPattern = /^([A-Za-z0-9_=/-]+\.)*$/;
const bucketPattern = /^[a-z][a-z0-9-]{0,31}$/;

/** @throws {CodedError} `REQUEST_INVALID`. */
export function checkBucket(bucket: string): void {
  if (bucketPattern.test(bucket)) return;
  throw refusal(`bucket ${shown(bucket)} is not [a-z][a-z0-9-]{0,31}`);
}

/** @throws {CodedError} `REQUEST_INVALID`. */
export function checkKey(key: string): void {
  if (key.length <= KEY_CHARS_MAX && keyPattern.test(key)) return;
  throw refusal(
    `key ${shown(key)} is not 1 to ${KEY_CHARS_MAX} characters of [A-Za-z0-9_=/-] in tokens ` +
      "parted by single dots",
  );
}

/** @throws {CodedError} `REQUEST_INVALID`. */
export function checkPrefix(prefix: string): void {
  if (prefix.length <= KEY_CHARS_MAX && prefixPattern.test(prefix)) return;
  throw refusal(`prefix ${shown(prefix)} is not "" or tokens ending with a dot`);
}

/** Of {@link KeyValue.watch}. @throws {CodedError} `REQUEST_INVALID`. */
export function checkPrefixes(given: string | readonly string[]): readonly string[] {
  const prefixes = typeof given === "string" ? [given] : given;
  if (prefixes.length < 1 || prefixes.length > PREFIX_COUNT_MAX) {
    throw refusal(`a watch has 1 to ${PREFIX_COUNT_MAX} prefixes, this one ${prefixes.length}`);
  }
  for (const [i, prefix] of prefixes.entries()) {
    checkPrefix(prefix);
    const isWithin = prefixes.some((other, j) => j !== i && prefix.startsWith(other));
    if (isWithin) throw refusal(`prefix ${shown(prefix)} begins with another of the watch`);
  }
  return prefixes;
}

/** Of a value and its time to live. @throws {CodedError} `REQUEST_INVALID`. */
export function checkValue(value: Uint8Array, ttlMs: number): void {
  if (value.length > VALUE_BYTES_MAX) {
    throw refusal(`a value has ${VALUE_BYTES_MAX} bytes at most, this one ${value.length}`);
  }
  if (ttlMs === 0 || (Number.isFinite(ttlMs) && ttlMs >= ttlMsMin)) return;
  throw refusal(`ttlMs is ${ttlMs}; it must be 0 or at least ${ttlMsMin}`);
}

/** Of an entry that exists. @throws {CodedError} `REQUEST_INVALID`. */
export function checkRevision(revision: number): void {
  if (Number.isSafeInteger(revision) && revision >= 1) return;
  throw refusal(`revision is ${revision}; it must be 1 or more`);
}

/** Of {@link KeyValue.commit}. @throws {CodedError} `REQUEST_INVALID`. */
export function checkWrites(writes: readonly KeyWrite[]): void {
  if (writes.length < 1 || writes.length > COMMIT_COUNT_MAX) {
    throw refusal(`a commit has 1 to ${COMMIT_COUNT_MAX} writes, this one ${writes.length}`);
  }
  const keys = new Set<string>();
  let bytes = 0;
  for (const { key, value, revision, ttlMs = 0 } of writes) {
    checkKey(key);
    if (keys.has(key)) throw refusal(`key ${shown(key)} is written twice in one commit`);
    keys.add(key);
    checkValue(value ?? new Uint8Array(0), ttlMs);
    if (value === null || revision !== 0) checkRevision(revision);
    bytes += value?.length ?? 0;
  }
  if (bytes <= COMMIT_BYTES_MAX) return;
  throw refusal(`the values of a commit have ${COMMIT_BYTES_MAX} bytes at most, these ${bytes}`);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

function refusal(detail: string): CodedError {
  return new CodedError("REQUEST_INVALID", detail);
}
