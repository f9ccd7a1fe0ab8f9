/**
 * The log of what topics were handed: the first message lost in each room, from one dropped frame.
 */
import { describe, expect, test } from "vitest";
import { PUBLISH_LOG_ENTRIES, PublishLog } from "../../gateway/publish-log.ts";

describe("PublishLog", () => {
  test("placesBeforeLoss: for each room its place before the first message at or after the drop", () => {
    const log = new PublishLog();
    log.push(1, 10, 1, 9, 900);
    log.push(2, 5, 0, 4, 0); // ephemeral
    log.push(1, 11, 1, 10, 1000); // dropped from here
    log.push(3, 70, 2, 0, 0); // the first of its room
    log.push(2, 6, 0, 5, 0);
    log.push(1, 12, 1, 11, 1100);
    log.push(2, 7, 0, 6, 0);
    const places = log.placesBeforeLoss(1, 11);
    expect([...(places ?? [])]).toEqual([
      [1, { position: { epoch: 1, seq: 10, timeUs: 1000 }, count: 0 }],
      [3, { position: null, count: 0 }],
      [2, { position: null, count: 5 }],
    ]);
    expect([...(log.placesBeforeLoss(2, 7)?.keys() ?? [])]).toEqual([2]);
  });

  test("placesBeforeLoss: null for a frame that was never logged, or no longer is", () => {
    const log = new PublishLog();
    expect(log.placesBeforeLoss(1, 1)).toBeNull();
    for (let seq = 1; seq <= PUBLISH_LOG_ENTRIES + 5; seq += 1) log.push(1, seq, 1, seq - 1, seq);
    expect(log.placesBeforeLoss(1, 5)).toBeNull();
    expect(log.placesBeforeLoss(2, 6)).toBeNull();
    const place = log.placesBeforeLoss(1, 6)?.get(1);
    expect(place).toEqual({ position: { epoch: 1, seq: 5, timeUs: 6 }, count: 0 });
  });

  test("placesBeforeLoss: of two frames alike the newer one counts", () => {
    const log = new PublishLog();
    log.push(1, 3, 1, 2, 200);
    log.push(9, 1, 1, 0, 0);
    log.push(1, 3, 2, 8, 800); // the same seq in a later epoch
    expect(log.placesBeforeLoss(1, 3)?.get(1)?.position).toEqual({ epoch: 2, seq: 8, timeUs: 800 });
    expect(log.placesBeforeLoss(1, 3)?.has(9)).toBe(false);
  });
});
