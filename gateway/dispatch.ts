/**
 * From bytes to the handler of their frame kind.
 */
import { CodedError } from "../proto/coded-error.ts";
import { ClientFrame } from "../proto/gen/tidegate/client/v1/frame.ts";
import type { Publish } from "../proto/gen/tidegate/client/v1/publish.ts";
import { type Connection, Phase } from "./connection.ts";
import type { GatewayContext } from "./context.ts";
import { handleFlagExposures } from "./frames/flag-exposures.ts";
import { handleHello } from "./frames/hello.ts";
import { handleHistory } from "./frames/history.ts";
import { handleJoin } from "./frames/join.ts";
import { handleLeave } from "./frames/leave.ts";
import { handlePing } from "./frames/ping.ts";
import { handlePublish } from "./frames/publish.ts";
import { handleRefresh } from "./frames/refresh.ts";
import type { Identity } from "./identity.ts";
import type { LimitError } from "./limit-error.ts";
import { PublishScan } from "./publish-scan.ts";

export class Dispatch {
  readonly #context: GatewayContext;
  readonly #scan = new PublishScan();

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /**
   * Handles one WebSocket message. Hot path for publishes: 0 allocations before the envelope.
   *
   * @param bytes valid during the call only; what is kept is copied.
   */
  handle(connection: Connection, bytes: ArrayBuffer, isBinary: boolean): void {
    if (connection.phase === Phase.CLOSED) return;
    const frame = Buffer.from(bytes);
    const refusal = this.#refuse(connection, frame, isBinary);
    if (refusal !== null) {
      this.#context.sender.close(connection, refusal);
      return;
    }
    const { identity } = connection;
    if (identity !== null) {
      const limited = this.#context.guards.rates.takeFrame(connection, identity, frame.length);
      const verdict = this.#scan.scan(frame);
      if (verdict === "publish") {
        this.#context.meters.clients.requests.publish += 1;
        handlePublish(this.#context, connection, identity, this.#scan, frame, limited);
        return;
      }
      this.#decode(connection, identity, frame, limited);
      return;
    }
    this.#decode(connection, null, frame, null);
  }

  /** A WebSocket ping, which is answered already: counts as a frame, so that a flood ends. */
  countPing(connection: Connection, byteCount: number): void {
    const { identity, phase } = connection;
    if (identity === null || phase === Phase.CLOSED) return; // before Hello: handshakeMs
    const { rates, abuse } = this.#context.guards;
    const limited = rates.takeFrame(connection, identity, byteCount);
    if (limited !== null) abuse.note(connection, identity, limited);
  }

  #refuse({ identity }: Connection, frame: Buffer, isBinary: boolean): CodedError | null {
    if (!isBinary) {
      return new CodedError("FRAME_INVALID", "a text message came; frames are binary protobuf");
    }
    const { options, guards } = this.#context;
    const own = identity === null ? 0 : guards.rates.of(identity.tenant).frameBytes;
    const max = own > 0 ? Math.min(own, options.frameBytesMax) : options.frameBytesMax;
    if (frame.length > max) {
      const detail = `a frame has ${frame.length} bytes, the limit is ${max}`;
      return new CodedError("FRAME_TOO_LARGE", detail);
    }
    return null;
  }

  #decode(
    connection: Connection,
    identity: Identity | null,
    frame: Buffer,
    limited: LimitError | null,
  ): void {
    let decoded: ClientFrame;
    try {
      decoded = ClientFrame.decode(frame);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const detail = `a frame of ${frame.length} bytes is no ClientFrame: ${reason}`;
      this.#context.sender.close(connection, new CodedError("FRAME_INVALID", detail, error));
      return;
    }
    this.#route(connection, identity, decoded, limited);
  }

  #route(
    connection: Connection,
    identity: Identity | null,
    { frame }: ClientFrame,
    limited: LimitError | null,
  ): void {
    if (frame === undefined) return; // a kind this version does not know
    const context = this.#context;
    context.meters.clients.requests[frame.$case] += 1;
    if (frame.$case === "hello") {
      void handleHello(context, connection, frame.value);
      return;
    }
    if (identity === null) {
      const detail = `a ${frame.$case} frame came before Hello was answered`;
      context.sender.close(connection, new CodedError("HELLO_EXPECTED", detail));
      return;
    }
    if (limited !== null && frame.$case !== "publish") {
      // Leave and Refresh cost less than their refusal, and who is refused them holds on to more.
      if (frame.$case !== "leave" && frame.$case !== "refresh") {
        this.#limit(connection, identity, frame, limited);
        return;
      }
    }
    switch (frame.$case) {
      case "join":
        handleJoin(context, connection, identity, frame.value);
        break;
      case "leave":
        handleLeave(context, connection, frame.value);
        break;
      case "publish":
        this.#publish(connection, identity, frame.value, limited);
        break;
      case "history":
        handleHistory(context, connection, identity, frame.value);
        break;
      case "ping":
        handlePing(context, connection, frame.value);
        break;
      case "refresh":
        handleRefresh(context, connection, frame.value);
        break;
      case "flagExposures":
        handleFlagExposures(context, connection, frame.value);
        break;
      default:
        frame satisfies never;
    }
  }

  /** A publish in a frame of an unusual shape (fields repeated, unknown ones around it). */
  #publish(
    connection: Connection,
    identity: Identity,
    publish: Publish,
    limited: LimitError | null,
  ): void {
    const scan = this.#scan;
    scan.requestId = publish.requestId;
    scan.roomAlias = publish.target?.$case === "roomAlias" ? publish.target.value : 0;
    scan.room = publish.target?.$case === "room" ? publish.target.value : null;
    scan.producerSeq = Number(publish.producerSeq);
    scan.firstSentUs = Number(publish.firstSentUs);
    scan.payloadStart = 0;
    scan.payloadEnd = publish.payload.length;
    scan.traceparent = publish.traceparent;
    if (scan.producerSeq > Number.MAX_SAFE_INTEGER) scan.producerSeq = 0;
    handlePublish(this.#context, connection, identity, scan, publish.payload, limited);
  }

  /** A frame above a rate is answered, and nothing of it is done. */
  #limit(
    connection: Connection,
    identity: Identity,
    { value }: NonNullable<ClientFrame["frame"]>,
    limited: LimitError,
  ): void {
    const requestId = "requestId" in value ? value.requestId : 0;
    this.#context.sender.sendError(connection, requestId, limited);
    this.#context.guards.abuse.note(connection, identity, limited);
  }
}
