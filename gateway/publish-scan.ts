/**
 * Reads a Publish frame in place, without decoding the payload or building objects.
 *
 * Hot path, once per publish. Budget: 0 allocations for a publish by alias. The generated decoder
 * reads everything else, and test/gateway/publish-scan.test.ts holds the two against each other.
 */
import { VarintReader } from "../proto/varint.ts";

/** Length of what counts as a traceparent; any other is none. */
const traceparentLength = 55;

/** ClientFrame.publish: field 4, length-delimited. */
const publishTag = 0x22;

/** Where a scan puts what it found; valid until the next scan. */
export class PublishScan {
  requestId = 0;
  /** 0 when the target is a name. */
  roomAlias = 0;
  /** The target by name, or null. May hold U+FFFD for bytes that are not UTF-8. */
  room: string | null = null;
  producerSeq = 0;
  /** Microseconds. */
  firstSentUs = 0;
  /** The payload is `frame[payloadStart, payloadEnd)`. */
  payloadStart = 0;
  payloadEnd = 0;
  /** Publish.traceparent as it came, unchecked; empty when it can be none. */
  traceparent = "";
  readonly #reader = new VarintReader();

  /**
   * Scans a whole ClientFrame.
   *
   * @returns "publish" when it is one well-formed Publish and nothing else; "other" when the
   *   generated decoder has to look; "invalid" when it is a Publish that does not decode.
   */
  scan(frame: Buffer): "publish" | "other" | "invalid" {
    if (frame.length < 2 || frame[0] !== publishTag) return "other";
    const reader = this.#reader;
    reader.reset(frame, 1, frame.length);
    const length = reader.next();
    if (length < 0 || reader.at + length > frame.length) return "invalid";
    // More fields follow: the last frame kind counts.
    if (reader.at + length < frame.length) return "other";
    return this.#scanFields(frame) ? "publish" : "invalid";
  }

  #scanFields(frame: Buffer): boolean {
    this.requestId = 0;
    this.roomAlias = 0;
    this.room = null;
    this.producerSeq = 0;
    this.firstSentUs = 0;
    this.payloadStart = 0;
    this.payloadEnd = 0;
    this.traceparent = "";
    const reader = this.#reader;
    while (reader.at < frame.length) {
      const tag = reader.next();
      if (tag < 8 || tag > 0xffff_ffff) return false;
      if (!this.#scanField(frame, tag)) return false;
    }
    return true;
  }

  #scanField(frame: Buffer, tag: number): boolean {
    const reader = this.#reader;
    switch (tag) {
      case 0x08: {
        const value = reader.next();
        this.requestId = value % 0x1_0000_0000;
        return value >= 0;
      }
      case 0x10: {
        const value = reader.next();
        this.roomAlias = value % 0x1_0000_0000;
        this.room = null;
        return value >= 0;
      }
      case 0x1a: {
        const length = reader.next();
        if (length < 0 || reader.at + length > frame.length) return false;
        this.room = frame.toString("utf8", reader.at, reader.at + length);
        this.roomAlias = 0;
        reader.at += length;
        return true;
      }
      case 0x20:
        this.producerSeq = reader.next();
        return this.producerSeq >= 0;
      case 0x29:
        if (reader.at + 8 > frame.length) return false;
        this.firstSentUs =
          frame.readUInt32LE(reader.at) + frame.readInt32LE(reader.at + 4) * 0x1_0000_0000;
        reader.at += 8;
        return true;
      case 0x32: {
        const length = reader.next();
        if (length < 0 || reader.at + length > frame.length) return false;
        this.payloadStart = reader.at;
        this.payloadEnd = reader.at + length;
        reader.at += length;
        return true;
      }
      case 0x3a: {
        const length = reader.next();
        if (length < 0 || reader.at + length > frame.length) return false;
        const end = reader.at + length;
        this.traceparent =
          length === traceparentLength ? frame.toString("latin1", reader.at, end) : "";
        reader.at = end;
        return true;
      }
      default:
        return this.#skip(frame, tag);
    }
  }

  /**
   * Skips an unknown field. A known number with another wire type is unknown too (protobuf spec).
   */
  #skip(frame: Buffer, tag: number): boolean {
    const reader = this.#reader;
    switch (tag & 7) {
      case 0:
        return skipVarint(frame, reader);
      case 1:
        reader.at += 8;
        break;
      case 2: {
        const length = reader.next();
        if (length < 0) return false;
        reader.at += length;
        break;
      }
      case 5:
        reader.at += 4;
        break;
      default:
        return false; // groups are not part of proto3
    }
    return reader.at <= frame.length;
  }
}

/** A varint of any value, at most 10 bytes. */
function skipVarint(frame: Buffer, reader: VarintReader): boolean {
  for (let count = 0; count < 10; count += 1) {
    if (reader.at >= frame.length) return false;
    const byte = frame[reader.at] ?? 0;
    reader.at += 1;
    if (byte < 0x80) return true;
  }
  return false;
}
