/**
 * grpc.reflection v1 and v1alpha: what grpcurl and its like ask to find services and messages.
 *
 * Loaded by reflection-door.ts when first asked, and works on bytes: both versions have the same
 * messages.
 *
 * Written on generated code rather than with @grpc/reflection: that one needs protobufjs and a
 * proto loader at the start, and re-arranges the files by package.
 */
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from "../proto/gen/grpc/reflection/v1/reflection.ts";
import { type Descriptors, loadDescriptors } from "./descriptors.ts";
import type { Log } from "./log.ts";

/** Streams at once; the next ones end as UNAVAILABLE. A client needs one. */
export const REFLECTION_STREAM_COUNT_MAX = 100;

/** Requests and responses as bytes: decoding is part of what is loaded late. */
export type ReflectionStream = ServerDuplexStream<Buffer, Buffer>;
type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/** The calls of grpc.reflection v1 and v1alpha. */
export class ReflectionCalls {
  readonly #log: Log;
  readonly #services: readonly string[];
  readonly #streams = new Set<ReflectionStream>();
  #descriptors: Promise<Descriptors> | null = null;

  /** @param services full names to list. */
  constructor(log: Log, services: readonly string[]) {
    this.#log = log;
    this.#services = services.toSorted();
  }

  /** Answers a stream until the client ends it. */
  serve(stream: ReflectionStream): void {
    this.#serve(stream).catch((reason) => {
      if (stream.cancelled) return; // the client went away: nobody to answer
      this.#log.error({ err: reason }, "reflection failed");
      endWith(stream, status.INTERNAL, "a fault on our side; the log has it");
    });
  }

  /** Ends the open streams. */
  close(): void {
    for (const stream of this.#streams) stream.end();
  }

  async #serve(stream: ReflectionStream): Promise<void> {
    if (this.#streams.size >= REFLECTION_STREAM_COUNT_MAX) {
      endWith(stream, status.UNAVAILABLE, `${this.#streams.size} streams, the maximum`);
      return;
    }
    this.#streams.add(stream);
    try {
      this.#descriptors ??= loadDescriptors();
      const descriptors = await this.#descriptors;
      // One at a time, so that a flood of requests waits in the client. The plain iterator would
      // destroy the stream at its end, and with it the status that the client waits for.
      for await (const bytes of stream.iterator({ destroyOnReturn: false })) {
        const request = decodeRequest(bytes);
        if (request === null) {
          endWith(stream, status.INVALID_ARGUMENT, "the request does not decode");
          return;
        }
        stream.write(encodeResponse(request, this.#answer(descriptors, request)));
        await drained(stream);
      }
      stream.end();
    } finally {
      this.#streams.delete(stream);
    }
  }

  #answer(descriptors: Descriptors, request: ServerReflectionRequest): Answer {
    const asked = request.messageRequest;
    switch (asked?.$case) {
      case "listServices": {
        const service = this.#services.map((name) => ({ name }));
        return { $case: "listServicesResponse", value: { service } };
      }
      case "fileByFilename":
        return fileAnswer(descriptors.file(asked.value), "file", asked.value);
      case "fileContainingSymbol": {
        const file = descriptors.fileOfSymbol(asked.value);
        const files = file === null ? null : descriptors.file(file);
        return fileAnswer(files, "symbol", asked.value);
      }
      // proto3 files have no extensions.
      case "fileContainingExtension":
        return fileAnswer(null, "extension of", asked.value.containingType);
      case "allExtensionNumbersOfType":
        return fileAnswer(null, "extension of", asked.value);
      case undefined:
        return errorAnswer(status.INVALID_ARGUMENT, "the request asks for nothing");
      default:
        return asked satisfies never;
    }
  }
}

function decodeRequest(bytes: Buffer): ServerReflectionRequest | null {
  try {
    return ServerReflectionRequest.decode(bytes);
  } catch {
    return null; // not protobuf: the caller is told so
  }
}

function encodeResponse(request: ServerReflectionRequest, messageResponse: Answer): Buffer {
  const response = { validHost: request.host, originalRequest: request, messageResponse };
  return Buffer.from(ServerReflectionResponse.encode(response).finish());
}

function fileAnswer(files: readonly Uint8Array[] | null, kind: string, name: string): Answer {
  if (files === null) return errorAnswer(status.NOT_FOUND, `no ${kind} ${name.slice(0, 200)}`);
  const fileDescriptorProto = files.map((file) => Buffer.from(file));
  return { $case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function errorAnswer(errorCode: status, errorMessage: string): Answer {
  return { $case: "errorResponse", value: { errorCode, errorMessage } };
}

/** Waits until the client has read enough, or is gone. */
function drained(stream: ReflectionStream): Promise<void> {
  if (!stream.writableNeedDrain || stream.cancelled) return Promise.resolve();
  return new Promise((resolve) => {
    for (const event of ["drain", "cancelled", "close"]) stream.once(event, () => resolve());
  });
}

/** Ends a stream with a status; grpc-js takes it from the event, destroying would lose it. */
function endWith(stream: ReflectionStream, code: status, details: string): void {
  stream.emit("error", Object.assign(new Error(details), { code, details }));
}
