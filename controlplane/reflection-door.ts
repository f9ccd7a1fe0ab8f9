/**
 * The door of reflection: what a start needs of it, which is two method names.
 *
 * Descriptors, and the code for its messages, are loaded when the first client asks.
 */
import type { Server, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Log } from "./log.ts";
import type { ReflectionCalls, ReflectionStream } from "./reflection-service.ts";

const asBytes = (bytes: Buffer) => bytes;

export class ReflectionDoor {
  readonly #log: Log;
  readonly #services: readonly string[];
  #calls: Promise<ReflectionCalls> | null = null;

  /** @param services full names to list. */
  constructor(log: Log, services: readonly string[]) {
    this.#log = log;
    this.#services = services;
  }

  /** Adds v1 and v1alpha, which old clients ask for. */
  addTo(server: Server): void {
    const serve = { serverReflectionInfo: (stream: ReflectionStream) => this.#serve(stream) };
    for (const version of ["v1", "v1alpha"]) server.addService(definition(version), serve);
  }

  /** Ends the open streams. */
  async close(): Promise<void> {
    (await this.#calls)?.close();
  }

  #serve(stream: ReflectionStream): void {
    this.#calls ??= import("./reflection-service.ts").then(
      ({ ReflectionCalls }) => new ReflectionCalls(this.#log, this.#services),
    );
    this.#calls.then(
      (calls) => calls.serve(stream),
      (reason) => {
        this.#log.error({ err: reason }, "reflection can not be loaded");
        stream.emit("error", new Error("a fault on our side; the log has it"));
      },
    );
  }
}

function definition(version: string): ServiceDefinition<UntypedServiceImplementation> {
  return {
    serverReflectionInfo: {
      path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      requestStream: true,
      responseStream: true,
      requestSerialize: asBytes,
      requestDeserialize: asBytes,
      responseSerialize: asBytes,
      responseDeserialize: asBytes,
    },
  };
}
