/**
 * The edge between grpc-js and our calls: decodes, counts, maps every error once, and outlives all.
 */
import type {
  handleUnaryCall,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CodedError } from "../proto/coded-error.ts";
import type { Log } from "./log.ts";

/** Stands for a request that did not decode, so that the caller is told INVALID_ARGUMENT. */
class Undecodable {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** Loads status.ts: its details are much generated code, which no start has to wait for. */
export function loadStatus() {
  return import("./status.ts");
}

/** Counts the calls in progress and holds them to a maximum. */
export class CallGate {
  readonly #log: Log;
  readonly #countMax: number;
  #count = 0;

  /** @param countMax calls at once; the next ones are answered `UNAVAILABLE`, with a retry hint. */
  constructor(log: Log, countMax: number) {
    this.#log = log;
    this.#countMax = countMax;
  }

  /**
   * A handler for grpc-js: runs `handle`, and answers what it returns or throws.
   *
   * @param method full name, for the log.
   */
  unary<Request, Response>(
    method: string,
    handle: (request: Request) => Promise<Response>,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      this.#run(call.request, handle).then(
        (response) => callback(null, response),
        async (reason) => {
          const { answerError } = await loadStatus();
          callback(answerError(this.#log, method, reason));
        },
      );
    };
  }

  async #run<Request, Response>(
    request: Request,
    handle: (request: Request) => Promise<Response>,
  ): Promise<Response> {
    if (request instanceof Undecodable) {
      throw new CodedError("REQUEST_INVALID", "the request does not decode", request.cause);
    }
    if (this.#count >= this.#countMax) {
      throw new CodedError("UNAVAILABLE", `${this.#countMax} calls are in progress, the maximum`);
    }
    this.#count += 1;
    try {
      return await handle(request);
    } finally {
      this.#count -= 1;
    }
  }
}

/**
 * A service definition whose requests never fail to decode: grpc-js would answer INTERNAL, as if it
 * were our fault.
 */
export function forgiving<Service extends ServiceDefinition>(
  service: ServiceDefinition<UntypedServiceImplementation> & Service,
): Service {
  const methods = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer) => {
      try {
        return method.requestDeserialize(bytes);
      } catch (reason) {
        return new Undecodable(reason);
      }
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(methods) as Service;
}
