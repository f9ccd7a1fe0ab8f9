/**
 * MessagingService: publishing and reading for backends, straight on the bus.
 *
 * A durable publish is named by a hash of its request_id, so a repeated call is stored once (R1,
 * R4).
 */
import { randomBytes } from "node:crypto";
import type { AppendAck, Bus, DurableMessage, MessageId } from "../bus/bus.ts";
import { READ_COUNT_MAX } from "../bus/bus.ts";
import { encodeEnvelope } from "../bus/envelope.ts";
import { formatPosition, type Position, parsePosition } from "../bus/position.ts";
import { PRODUCER_BYTES, producerHash } from "../bus/producer.ts";
import type { RoomAddress } from "../bus/subjects.ts";
import { CodedError } from "../proto/coded-error.ts";
import { Envelope } from "../proto/gen/tidegate/client/v1/message.ts";
import type {
  HistoryMessage,
  ListHistoryRequest,
  ListHistoryResponse,
  PublishRequest,
  PublishResponse,
} from "../proto/gen/tidegate/control/v1/messaging_service.ts";
import { type ClassPolicy, classPolicy } from "../proto/room-class.ts";
import { presentClass } from "./decide-room-class.ts";
import { addToPage, EMPTY_PAGE, type HistoryPage, type HistoryReach } from "./history-page.ts";
import { type FieldViolation, InvalidFieldsError, refuseInvalidFields } from "./invalid-fields.ts";
import { badPageToken, decodePageToken, encodePageToken } from "./page-token.ts";
import { parseRoom, parseTenant } from "./resource-name.ts";
import type { RoomClassStore } from "./room-class-store.ts";

/** Bytes of a payload: with its envelope it fits the default frame of 65536 bytes. */
export const PAYLOAD_BYTES_MAX = 61_440;
/** Bytes of a sender's name. */
export const USER_BYTES_MAX = 128;
/** Characters of a request id. */
export const REQUEST_ID_CHARS_MAX = 64;
/** The sender when none is given. */
const userDefault = "backend";
/** Messages of a page when the request says 0. */
const pageSizeDefault = 50;
/** Bytes of one page: gRPC clients refuse answers of more than 4 MB unless told otherwise. */
const pageBytesMax = 3 * 1024 * 1024;
const controlCharacter = /\p{Cc}/u;

/** The calls of MessagingService; each throws a CodedError to refuse. */
export class MessagingCalls {
  readonly #bus: Bus;
  readonly #classes: RoomClassStore;
  readonly #pageMax: number;

  /** @param pageMax messages of one page, 1 to READ_COUNT_MAX. */
  constructor(bus: Bus, classes: RoomClassStore, pageMax: number) {
    this.#bus = bus;
    this.#classes = classes;
    this.#pageMax = pageMax;
  }

  async publish(request: PublishRequest): Promise<PublishResponse> {
    const tenant = parseTenant(request.parent, "parent");
    refuseInvalidFields(checkPublish(request));
    if (request.payload.length > PAYLOAD_BYTES_MAX) {
      const description = `has ${request.payload.length} bytes, at most ${PAYLOAD_BYTES_MAX}`;
      throw new InvalidFieldsError([{ field: "payload", description }], "PAYLOAD_TOO_LARGE");
    }
    const { room, policy } = await this.#target(tenant, request.room);
    const id = nameOf(tenant, request.requestId);
    const firstSentUs = Date.now() * 1000;
    const user = request.user || userDefault;
    const fields = { firstSentUs, user, producer: id.producer, producerSeq: id.seq };
    const envelope = encodeEnvelope(fields, request.payload);
    if (!policy.isDurable) {
      this.#bus.publish(room, envelope);
      return { position: "", duplicate: false };
    }
    const ack = await this.#append(room, id, firstSentUs, envelope);
    return { position: formatPosition(ack), duplicate: ack.isDuplicate };
  }

  async listHistory(request: ListHistoryRequest): Promise<ListHistoryResponse> {
    const tenant = parseTenant(request.parent, "parent");
    parseRoom(tenant, request.room, "room");
    const scope = ["ListHistory", tenant, request.room];
    const before = parsePlace(decodePageToken(scope, request.pageToken));
    const { room, policy } = await this.#target(tenant, request.room);
    if (!policy.isDurable) {
      throw new CodedError("NOT_DURABLE", `${room.room} is ephemeral: nothing of it is stored`);
    }
    const reach = {
      floor: await this.#bus.floor(room, policy.historyCountMax),
      oldestUs: Date.now() * 1000 - policy.historyAgeMaxS * 1_000_000,
      voidAfterUs: this.#bus.publishLimits.voidAfterUs,
    };
    const count = Math.min(request.pageSize || pageSizeDefault, this.#pageMax);
    const page = await this.#readPage(room, before, reach, count);
    const oldest = page.messages.at(-1);
    const nextPageToken =
      page.state === "full" && oldest !== undefined
        ? encodePageToken(scope, [formatPosition(oldest)])
        : "";
    return { messages: page.messages.toReversed().map(historyMessage), nextPageToken };
  }

  /** Address and policy of a room. Throws `ROOM_NAME_INVALID`, `ROOM_CLASS_UNKNOWN`. */
  async #target(tenant: string, name: string): Promise<{ room: RoomAddress; policy: ClassPolicy }> {
    const { class: roomClass } = parseRoom(tenant, name, "room");
    const record = presentClass(await this.#classes.read({ tenant, class: roomClass }));
    const policy = record === null ? null : classPolicy(roomClass, record);
    if (policy !== null) return { room: parseRoom(tenant, name, "room", policy.group), policy };
    throw new CodedError(
      "ROOM_CLASS_UNKNOWN",
      `tenant "${tenant}" has no room class "${roomClass}"`,
    );
  }

  #append(
    room: RoomAddress,
    id: MessageId,
    firstSentUs: number,
    envelope: Uint8Array,
  ): Promise<AppendAck> {
    return new Promise((resolve, reject) => {
      this.#bus.append(room, id, firstSentUs, envelope, (error, ack) => {
        if (ack !== null) resolve(ack);
        else reject(error ?? new Error("an append ended with neither ack nor error"));
      });
    });
  }

  async #readPage(
    room: RoomAddress,
    from: Position | null,
    reach: HistoryReach,
    count: number,
  ): Promise<HistoryPage> {
    const size = { count, bytes: pageBytesMax };
    let before = from;
    let page = EMPTY_PAGE;
    // One more than the page, to know whether there is a next one. It ends, because each read goes
    // further back.
    while (page.state === "open") {
      const limit = Math.min(count + 1, READ_COUNT_MAX);
      const { messages, hasMore } = await this.#bus.readBefore(room, before, limit);
      page = addToPage(page, messages, hasMore && messages.length > 0, reach, size);
      before = messages[0] ?? before;
    }
    return page;
  }
}

/** Where a next page ends; null for the first page. */
function parsePlace(place: string[] | null): Position | null {
  if (place === null) return null;
  const [position, ...rest] = place;
  if (position === undefined || rest.length > 0) throw badPageToken();
  return parsePosition(position);
}

function checkPublish(request: PublishRequest): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const userBytes = Buffer.byteLength(request.user);
  if (userBytes > USER_BYTES_MAX) {
    const description = `has ${userBytes} bytes, at most ${USER_BYTES_MAX}`;
    violations.push({ field: "user", description });
  }
  if (controlCharacter.test(request.user)) {
    violations.push({ field: "user", description: "has control characters" });
  }
  if (request.requestId.length > REQUEST_ID_CHARS_MAX) {
    const chars = request.requestId.length;
    const description = `has ${chars} characters, at most ${REQUEST_ID_CHARS_MAX}`;
    violations.push({ field: "request_id", description });
  }
  return violations;
}

/** Names a publish by its request id; without one by chance, so that it equals no other. */
function nameOf(tenant: string, requestId: string): MessageId {
  const producer =
    requestId === ""
      ? randomBytes(PRODUCER_BYTES).toString("latin1")
      : producerHash(tenant, userDefault, Buffer.from(requestId));
  return { producer, seq: 1 };
}

function historyMessage(message: DurableMessage): HistoryMessage {
  const envelope = Envelope.decode(message.envelope);
  return {
    position: formatPosition(message),
    time: new Date(Math.floor(message.timeUs / 1000)),
    user: envelope.user,
    payload: Buffer.from(envelope.payload),
  };
}
