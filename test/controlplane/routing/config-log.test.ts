/** The configuration as it is streamed: what whoever has which version is sent. */
import { expect, test } from "vitest";
import {
  ConfigLog,
  FRAME_BYTES_MAX,
  type Frames,
  TOMBSTONE_COUNT_MAX,
} from "../../../controlplane/routing/config-log.ts";
import { RecordKind } from "../../../proto/gen/tidegate/control/v1/routing.ts";
import { StreamRoutingResponse } from "../../../proto/gen/tidegate/control/v1/routing_service.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

function put(log: ConfigLog, revision: number, key: string, text = `${revision}`): void {
  log.apply({ key, value: bytes(text), revision });
}

/** What the frames say, put together as a gateway does. */
function read(frames: Frames) {
  const decoded = frames.map((frame) => StreamRoutingResponse.decode(frame));
  expect(decoded.map(({ more }) => more)).toEqual(decoded.map((_, i) => i < decoded.length - 1));
  return {
    isSnapshot: decoded[0]?.snapshot,
    version: Number(decoded[0]?.version),
    records: decoded.flatMap(({ records }) =>
      records.map(({ key, value, deleted }) => (deleted ? `-${key}` : `${key}=${value}`)),
    ),
  };
}

test("since: nothing known gets everything, then only what changed, newest of each key", () => {
  const log = new ConfigLog();
  put(log, 3, "class.acme.chat");
  put(log, 5, "slot.0-7");
  log.markComplete(log.version);
  const all = ["class.acme.chat=3", "slot.0-7=5"];
  expect(read(log.since(0))).toEqual({ isSnapshot: true, version: 5, records: all });
  expect(read(log.since(5))).toEqual({ isSnapshot: false, version: 5, records: [] });
  put(log, 8, "slot.0-7");
  put(log, 9, "slot.0-7");
  put(log, 11, "limit.acme.rooms");
  const changed = ["slot.0-7=9", "limit.acme.rooms=11"];
  expect(read(log.since(5))).toEqual({ isSnapshot: false, version: 11, records: changed });
  expect(read(log.since(9)).records).toEqual(["limit.acme.rooms=11"]);
  expect(log.recordCount).toBe(3);
});

test("since: a deletion is told to who may have the key, and is in no snapshot", () => {
  const log = new ConfigLog();
  put(log, 3, "class.acme.chat");
  put(log, 4, "class.acme.game");
  log.markComplete(log.version);
  log.apply({ key: "class.acme.chat", value: null, revision: 6 });
  expect(read(log.since(4)).records).toEqual(["-class.acme.chat"]);
  expect(read(log.since(0)).records).toEqual(["class.acme.game=4"]);
  put(log, 7, "class.acme.chat", "again");
  expect(read(log.since(4)).records).toEqual(["class.acme.chat=again"]);
  expect(log.recordCount).toBe(2);
});

test("since: who is from before the start, ahead, or before a late deletion gets everything", () => {
  const log = new ConfigLog();
  put(log, 3, "class.acme.chat");
  put(log, 9, "class.acme.game");
  log.markComplete(log.version);
  expect(read(log.since(8)).isSnapshot).toBe(true); // deletions up to 9 are not known here
  expect(read(log.since(10)).isSnapshot).toBe(true);
  expect(read(log.since(9)).isSnapshot).toBe(false);
  log.apply({ key: "class.acme.chat", value: null, revision: 5 });
  expect(read(log.since(9))).toMatchObject({ isSnapshot: true, records: ["class.acme.game=9"] });
  put(log, 10, "class.acme.game");
  expect(read(log.since(10)).isSnapshot).toBe(false);
});

test("markComplete: a version that no record has is reached when everything before it has come", () => {
  const log = new ConfigLog();
  put(log, 3, "class.acme.chat");
  log.markComplete(8);
  expect(read(log.since(5))).toMatchObject({ isSnapshot: true, version: 8 });
  expect(read(log.since(8))).toEqual({ isSnapshot: false, version: 8, records: [] });
});

test("apply: what is older, and what is not for gateways, changes nothing", () => {
  const log = new ConfigLog();
  put(log, 3, "class.acme.chat");
  put(log, 3, "class.acme.chat", "the same again");
  put(log, 2, "class.acme.chat", "older");
  put(log, 4, "audit.20261122.x");
  put(log, 5, "operation.1");
  expect(log.changeCount).toBe(1);
  expect(read(log.since(0))).toMatchObject({ version: 3, records: ["class.acme.chat=3"] });
});

test("since: kinds are by key, answers are made once for all, and large ones are parted", () => {
  const log = new ConfigLog();
  const large = "x".repeat(FRAME_BYTES_MAX / 3);
  for (let i = 1; i <= 10; i += 1) put(log, i, `class.acme.c${i}`, large);
  put(log, 11, "class.acme.huge", "y".repeat(FRAME_BYTES_MAX * 2));
  put(log, 12, "shard.4");
  put(log, 13, "group.2");
  log.markComplete(log.version);
  const whole = log.since(0);
  expect(log.since(0)).toBe(whole);
  expect(log.since(2)).toBe(whole); // it is from before the start
  expect(read(whole).records).toHaveLength(13);
  for (const frame of whole.slice(0, 5)) expect(frame.length).toBeLessThan(FRAME_BYTES_MAX + 100);
  const kinds = whole.flatMap((frame) =>
    StreamRoutingResponse.decode(frame).records.map(({ kind }) => kind),
  );
  expect(kinds.slice(-3)).toEqual([
    RecordKind.ROOM_CLASS,
    RecordKind.SHARD,
    RecordKind.PLACEMENT_GROUP,
  ]);
});

test("tombstones: as many as there may be are kept; who is from before them gets everything", () => {
  const log = new ConfigLog();
  put(log, 1, "class.acme.first");
  log.markComplete(log.version);
  let revision = 1;
  for (let i = 0; i <= TOMBSTONE_COUNT_MAX; i += 1) {
    revision += 1;
    put(log, revision, `class.acme.${i}`);
    revision += 1;
    log.apply({ key: `class.acme.${i}`, value: null, revision });
  }
  expect(read(log.since(1)).isSnapshot).toBe(true);
  expect(read(log.since(3)).isSnapshot).toBe(true);
  expect(read(log.since(4))).toMatchObject({ isSnapshot: false });
  expect(read(log.since(4)).records).toHaveLength(TOMBSTONE_COUNT_MAX);
  expect(log.recordCount).toBe(1);
});
