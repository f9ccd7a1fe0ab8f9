/**
 * grpc.reflection v1 and v1alpha: what grpcurl and its like ask to find services and messages.
 *
 * Written on generated code rather than with @grpc/reflection: that one needs protobufjs and a
 * proto loader at the start, and re-arranges the files by package.
 */
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import type {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from "../proto/gen/grpc/reflection/v1/reflection.ts";
import { type Descriptors, loadDescriptors } from "./descriptors.ts";
import type { Log } from "./log.ts";

/** Streams at once; the next ones end as UNAVAILABLE. A client needs one. */
export const REFLECTION_STREAM_COUNT_MAX = 100;

type Stream = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/** The calls of grpc.reflection v1 and v1alpha. */
export class ReflectionCalls {
  readonly #log: Log;
  readonly #services: readonly string[];
  readonly #streams = new Set<Stream>();
  #descriptors: Promise<Descriptors> | null = null;

  /** @param services full names to list. */
  constructor(log: Log, services: readonly string[]) {
    this.#log = log;
    this.#services = services.toSorted();
  }

  /** For Server.addService; both versions have the same messages. */
  readonly server = {
    serverReflectionInfo: (stream: Stream) => {
      this.#serve(stream).catch((reason) => {
        this.#log.error({ err: reason }, "reflection failed");
        stream.destroy(endWith(status.INTERNAL, "a fault on our side; the log has it"));
      });
    },
  };

  /** Ends the open streams. */
  close(): void {
    for (const stream of this.#streams) stream.end();
  }

  async #serve(stream: Stream): Promise<void> {
    if (this.#streams.size >= REFLECTION_STREAM_COUNT_MAX) {
      stream.destroy(endWith(status.UNAVAILABLE, `${this.#streams.size} streams, the maximum`));
      return;
    }
    this.#streams.add(stream);
    stream.on("error", () => this.#streams.delete(stream)); // the client went away
    try {
      this.#descriptors ??= loadDescriptors();
      const descriptors = await this.#descriptors;
      // One at a time, so that a flood of requests waits in the client. The plain iterator would
      // destroy the stream at its end, and with it the status that the client waits for.
      for await (const request of stream.iterator({ destroyOnReturn: false })) {
        const messageResponse = this.#answer(descriptors, request);
        stream.write({ validHost: request.host, originalRequest: request, messageResponse });
      }
    } finally {
      this.#streams.delete(stream);
      stream.end();
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

function fileAnswer(files: readonly Uint8Array[] | null, kind: string, name: string): Answer {
  if (files === null) return errorAnswer(status.NOT_FOUND, `no ${kind} ${name.slice(0, 200)}`);
  const fileDescriptorProto = files.map((file) => Buffer.from(file));
  return { $case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function errorAnswer(errorCode: status, errorMessage: string): Answer {
  return { $case: "errorResponse", value: { errorCode, errorMessage } };
}

function endWith(code: status, details: string): Error {
  return Object.assign(new Error(details), { code, details });
}
