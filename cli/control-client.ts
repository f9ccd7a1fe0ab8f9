/**
 * Calls to the control plane: promises, and errors with our codes from google.rpc details.
 */
import {
  type ChannelCredentials,
  type Client,
  type ClientOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { BadRequest, ErrorInfo } from "../proto/gen/google/rpc/error_details.ts";
import { Status } from "../proto/gen/google/rpc/status.ts";
import { isLoopback } from "../proto/loopback.ts";
import type { ControlPlace } from "./context.ts";
import { Failure, usageError } from "./failure.ts";

/** A call that is not answered within this fails as UNAVAILABLE, milliseconds. */
const callTimeoutMs = 10_000;
/** Of several control planes, the next one is asked when one is not there within this, ms. */
const readyTimeoutMs = 2000;
/** Of ErrorInfo, when the reason is one of our codes. */
const errorDomain = "tidegate.dev";

const tlsFix =
  "If it has TLS, name its authority with --tls-ca (or system), and reach it by a name of its " +
  "certificate; if it has none, leave --tls-ca out.";

/** A generated client. */
export type ClientClass<C extends Client> = new (
  address: string,
  credentials: ChannelCredentials,
  options: Partial<ClientOptions>,
) => C;

/** A unary method of the generated client. */
type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/**
 * Opens a client of the first control plane that answers, uses it, closes it.
 *
 * @throws {Failure} what `use` throws; `OPTION_INVALID` for a bad address, for TLS files that can
 * not
 *   be used, and rather than show a token to a whole network.
 */
export async function withClient<C extends Client, T>(
  place: ControlPlace,
  clientClass: ClientClass<C>,
  use: (client: C) => Promise<T>,
): Promise<T> {
  const addresses = place.address.split(",").map((address) => address.trim());
  for (const address of addresses) checkAddress(address, place);
  const interceptors = place.token === "" ? [] : [withToken(place.token)];
  const pem = credentialsOf(place);
  for (const [i, address] of addresses.entries()) {
    const client = new clientClass(address, pem, { interceptors });
    try {
      // The last one is asked without a look: what it answers, or that nobody does, is told.
      if (i < addresses.length - 1 && !(await isReady(client))) continue;
      return await use(client);
    } finally {
      client.close();
    }
  }
  throw usageError("--control names no address"); // not met: "" is no address
}

function checkAddress(address: string, { token, tlsCa }: ControlPlace): void {
  if (!/^(\[[0-9a-fA-F:]+\]|[^/:\s]+):\d{1,5}$/.test(address)) {
    throw usageError(`--control ${JSON.stringify(address)} is not "host:port"`);
  }
  if (token !== "" && tlsCa === "" && !isLoopback(hostOf(address))) {
    const detail = `a token is not sent to ${address} without TLS: who sees it can use it`;
    throw usageError(detail, "Give --tls-ca, or reach it through a tunnel to 127.0.0.1.");
  }
}

/** Whether a control plane answers there; a frozen one accepts, but does not. */
function isReady(client: Client): Promise<boolean> {
  return new Promise((resolve) => {
    client.waitForReady(Date.now() + readyTimeoutMs, (error) => resolve(error === undefined));
  });
}

function credentialsOf({ tlsCa, tlsCert, tlsKey }: ControlPlace): ChannelCredentials {
  if (tlsCa === "") return credentials.createInsecure();
  const pem = (text: string) => (text === "" || text === "system" ? null : Buffer.from(text));
  try {
    return credentials.createSsl(pem(tlsCa), pem(tlsKey), pem(tlsCert));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const fix = "They must be PEM files, and the key that of the certificate.";
    throw usageError(`--tls-ca, --tls-cert or --tls-key: ${reason}`, fix, cause);
  }
}

/** Shows the token with each call, streaming ones too. */
function withToken(token: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        metadata.set("authorization", `Bearer ${token}`);
        next(metadata, listener);
      },
    });
}

/** The host of "host:port", an IPv6 address without its brackets. */
function hostOf(address: string): string {
  return address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
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
    const found = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|E\w+UNREACH/.exec(error.details);
    const why = found?.[0] ?? error.details.replaceAll(/\s+/g, " ").trim();
    const text = `the control plane at ${where} can not be reached: ${why}`;
    // Something is there, and does not speak with us: as a rule TLS with one that has none.
    return new Failure("UNAVAILABLE", text, { fix: found === null ? tlsFix : fix, cause: error });
  }
  if (error.code === status.DEADLINE_EXCEEDED) {
    const text = `the control plane at ${where} did not answer within ${callTimeoutMs} ms`;
    return new Failure("UNAVAILABLE", text, { fix, cause: error });
  }
  if (error.code === status.CANCELLED) {
    const text = `the control plane at ${where} has ended the call: it is stopping`;
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
    .map(
      ({ field, description }) =>
        `${field.replace(/^(room_class|version_gate)\./, "")}: ${description}`,
    );
  return faults.length > 0 ? faults.join("; ") : error.details;
}
