/**
 * Calls to the control plane: promises, and errors with our codes from google.rpc details.
 */
import {
  type ChannelCredentials,
  type Client,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { BadRequest, ErrorInfo } from "../proto/gen/google/rpc/error_details.ts";
import { Status } from "../proto/gen/google/rpc/status.ts";
import { Failure, usageError } from "./failure.ts";

/** A call that is not answered within this fails as UNAVAILABLE, milliseconds. */
const callTimeoutMs = 10_000;
/** Of ErrorInfo, when the reason is one of our codes. */
const errorDomain = "tidegate.dev";

/** A generated client. */
export type ClientClass<C extends Client> = new (
  address: string,
  credentials: ChannelCredentials,
) => C;

/** A unary method of the generated client. */
type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/**
 * Opens a client, uses it, closes it.
 *
 * @param address "host:port".
 * @throws {Failure} what `use` throws; `OPTION_INVALID` for a bad address.
 */
export async function withClient<C extends Client, T>(
  address: string,
  clientClass: ClientClass<C>,
  use: (client: C) => Promise<T>,
): Promise<T> {
  if (!/^(\[[0-9a-fA-F:]+\]|[^/:\s]+):\d{1,5}$/.test(address)) {
    throw usageError(`--control ${JSON.stringify(address)} is not "host:port"`);
  }
  const client = new clientClass(address, credentials.createInsecure());
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Calls a method; errors as Failure with the code that the control plane gave. */
export function call<Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  request: Request,
): Promise<Response> {
  const options = { deadline: Date.now() + callTimeoutMs };
  return new Promise((resolve, reject) => {
    method.call(client, request, new Metadata(), options, (error, response) => {
      if (error === null) resolve(response);
      else reject(decodeError(error, client.getChannel().getTarget()));
    });
  });
}

/** The error of a call in our words. */
export function decodeError(error: ServiceError, target: string): Failure {
  const [details] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (Buffer.isBuffer(details)) {
    for (const any of Status.decode(details).details) {
      if (!any.typeUrl.endsWith("/google.rpc.ErrorInfo")) continue;
      const { domain, reason, metadata } = ErrorInfo.decode(any.value);
      if (domain !== errorDomain) continue;
      return new Failure(reason, detailText(error, details), { fix: metadata.fix, cause: error });
    }
  }
  const where = target.replace(/^dns:/, "");
  const fix = "Start it (npm start), or say where it is: --control host:port or TIDEGATE_CONTROL.";
  if (error.code === status.UNAVAILABLE) {
    const why = /ECONN\w+|ENOTFOUND|EAI_AGAIN/.exec(error.details)?.[0] ?? error.details;
    const text = `the control plane at ${where} can not be reached: ${why}`;
    return new Failure("UNAVAILABLE", text, { fix, cause: error });
  }
  if (error.code === status.DEADLINE_EXCEEDED) {
    const text = `the control plane at ${where} did not answer within ${callTimeoutMs} ms`;
    return new Failure("UNAVAILABLE", text, { fix, cause: error });
  }
  const text = `the control plane at ${where} answered ${status[error.code]}: ${error.details}`;
  const isOlder = error.code === status.UNIMPLEMENTED;
  const older = isOlder ? "It is older than this tidegatectl: update it." : "";
  return new Failure("INTERNAL", text, { fix: older, cause: error });
}

/** The violations one by one, when the answer names them. */
function detailText(error: ServiceError, details: Buffer): string {
  const faults = Status.decode(details)
    .details.filter((any) => any.typeUrl.endsWith("/google.rpc.BadRequest"))
    .flatMap((any) => BadRequest.decode(any.value).fieldViolations)
    .map(({ field, description }) => `${field.replace("room_class.", "")}: ${description}`);
  return faults.length > 0 ? faults.join("; ") : error.details;
}
