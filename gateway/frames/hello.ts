/**
 * Hello: who is there. Answered by Welcome, or by a close that says why.
 */
import { PRODUCER_BYTES, producerHash } from "../../bus/producer.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { JournalAct } from "../../proto/gen/tidegate/bus/v1/journal.ts";
import type { Hello } from "../../proto/gen/tidegate/client/v1/session.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import { TOKEN_BYTES_MAX } from "../auth/authenticate.ts";
import { refuseRevoked } from "../auth/revocation-watch.ts";
import { type Connection, Phase } from "../connection.ts";
import { connectionId } from "../connection-id.ts";
import type { GatewayContext } from "../context.ts";
import type { Peer } from "../drain/peer.ts";
import { setGate } from "../gates/apply-gates.ts";
import { refuseBuild, tellMismatch } from "../gates/tell-client.ts";
import { type Identity, makeIdentity } from "../identity.ts";
import { limitsInForce } from "../rates/in-force.ts";
import { addressOfConnection } from "../seats/address.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { RequestTrace } from "../tracing/request-trace.ts";

/** The protocol version this gateway speaks. */
export const PROTOCOL_VERSION = 1;
/** Bytes of a session token: room for later forms of it. */
const SESSION_TOKEN_BYTES_MAX = 64;

export async function handleHello(
  context: GatewayContext,
  connection: Connection,
  hello: Hello,
): Promise<void> {
  if (connection.phase !== Phase.GREETING) {
    const detail = "a second Hello came; send it once, first";
    context.sender.close(connection, new CodedError("HELLO_EXPECTED", detail));
    return;
  }
  connection.phase = Phase.VERIFYING;
  let identity: Identity | null = null;
  const trace = RequestTrace.hello(context);
  try {
    checkHello(hello);
    connection.profile = context.profiles.of(hello);
    const isGone = () => connection.socket === null || connection.phase !== Phase.VERIFYING;
    context.guards.overload.admitConnect();
    const turn = context.guards.admission.enter(isGone);
    if (turn !== null) await turn;
    if (isGone()) return;
    identity = await identify(context, connection, hello.token);
    refuseRevoked(context, identity);
    if (hello.producerKey.length > 0) {
      connection.producer = producerHash(identity.tenant, identity.user, hello.producerKey);
    }
    admitByRate(context, connection, identity);
    if (isRefused(context, connection, identity)) return;
    await context.readiness.wait();
    await context.flags.ready();
    if (connection.socket === null || connection.phase !== Phase.VERIFYING) return;
    const address = () => addressOfConnection(connection);
    const admitting = context.seats.admit(connection, identity, hello, address, trace.span);
    if (admitting !== null) await admitting;
    if (connection.socket === null || connection.phase !== Phase.VERIFYING) return;
    // A gate may have changed meanwhile, the token been revoked.
    if (isRefused(context, connection, identity)) return;
    refuseRevoked(context, identity);
    welcome(context, connection, hello, identity);
    trace.end(connection);
    if (connection.gate !== null) tellMismatch(context, connection, connection.gate);
    else context.meters.clients.gates.allow += 1;
  } catch (error) {
    const coded = CodedError.from(error);
    const traced = trace.fail(connection, coded);
    if (coded.code === "INTERNAL") {
      context.connectionLog.error(connection, { error, ...traced }, "hello failed");
    } else {
      const fields = { code: coded.code, detail: coded.detail, ...traced };
      context.connectionLog.debug(connection, fields, "a client is not let in");
    }
    // A drain. Through the address that the client began with it might only come here again.
    if (coded.code === "SERVER_STOPPING") context.redirects.tell(context.sender, connection);
    context.journal.refused(connection, identity, JournalAct.CONNECT, "", coded);
    context.sender.close(connection, coded);
  }
}

/** Asks the version gates; a build that is refused is told so, and closed. */
function isRefused(context: GatewayContext, connection: Connection, identity: Identity): boolean {
  if (connection.socket === null || connection.phase !== Phase.VERIFYING) return true; // gone
  const gate = context.gates.ofConnection(connection, identity);
  setGate(connection, gate);
  if (gate?.action !== GateAction.REFUSE) return false;
  const error = refuseBuild(context, connection, gate);
  context.journal.refused(connection, identity, JournalAct.CONNECT, "", error);
  return true;
}

/** @throws {CodedError} `BLOCKED`, `LIMIT_REACHED`. */
function admitByRate(context: GatewayContext, connection: Connection, identity: Identity): void {
  const { bus, directory, guards } = context;
  guards.abuse.refuseBlocked(connection, identity);
  const isOther = ({ id, isServing }: Peer) => isServing && id !== bus.self.id;
  const servingCount = directory.peers.filter(isOther).length;
  const refusal = guards.rates.takeConnect(identity.tenant, servingCount + 1);
  if (refusal !== null) throw refusal;
}

/** Who it is: by the token of Hello or of its cookie, or nobody, where a class allows that. */
function identify(
  context: GatewayContext,
  connection: Connection,
  token: string,
): Identity | Promise<Identity> {
  const shown = token || connection.cookieToken;
  connection.cookieToken = ""; // not kept: a token is a secret, and has its size
  const { anonymousTenant: tenant } = context.options;
  if (shown !== "" || tenant === "" || !context.hasAnonymousAccess(tenant)) {
    return context.authenticate(shown);
  }
  return makeIdentity({ tenant, user: "", grants: [], isAnonymous: true });
}

/** @throws {CodedError} `PROTOCOL_UNSUPPORTED`, `TOKEN_INVALID`, `FRAME_INVALID`. */
function checkHello(hello: Hello): void {
  const { protocolMin, protocolMax } = hello;
  if (protocolMin > PROTOCOL_VERSION || protocolMax < PROTOCOL_VERSION) {
    const detail =
      `the client speaks protocol ${protocolMin} to ${protocolMax}, ` +
      `this gateway ${PROTOCOL_VERSION}; set protocol_min and protocol_max in Hello`;
    throw new CodedError("PROTOCOL_UNSUPPORTED", detail);
  }
  if (Buffer.byteLength(hello.token) > TOKEN_BYTES_MAX) {
    throw new CodedError("TOKEN_INVALID", `the token is longer than ${TOKEN_BYTES_MAX} bytes`);
  }
  const keyBytes = hello.producerKey.length;
  if (keyBytes !== 0 && keyBytes !== PRODUCER_BYTES) {
    const detail = `producer_key has ${keyBytes} bytes, must be ${PRODUCER_BYTES} random ones`;
    throw new CodedError("FRAME_INVALID", detail);
  }
  if (hello.sessionToken.length > SESSION_TOKEN_BYTES_MAX) {
    const detail = `session_token has ${hello.sessionToken.length} bytes, at most 64`;
    throw new CodedError("FRAME_INVALID", detail);
  }
}

function welcome(
  context: GatewayContext,
  connection: Connection,
  hello: Hello,
  identity: Identity,
): void {
  const { options } = context;
  connection.phase = Phase.OPEN;
  connection.identity = identity;
  context.tokenWatch.follow(connection);
  context.journal.opened(connection, identity);
  connection.targets = context.directory.targetsFor(
    context.gates.gatewayRules(connection, identity),
  );
  const id = connectionId(context.gatewayId, connection.number);
  context.connectionLog.debug(connection, { build: hello.build }, "client connected");
  const value = {
    protocol: PROTOCOL_VERSION,
    connectionId: id,
    serverTimeUs: BigInt(context.clock.nowUs()),
    limits: limitsInForce(context, identity),
    idleTimeoutMs: options.idleTimeoutS * 1000,
    publishBudgetMs: Math.floor(context.bus.publishLimits.budgetUs / 1000),
    tenant: identity.tenant,
    user: identity.user,
    serverVersion: context.version,
    sessionToken: context.seats.token(connection, identity),
    targets: [...connection.targets],
    tokenExpiresInMs: context.tokenWatch.expiresInMs(connection),
    flags: context.flags.welcome(context, connection, identity),
    producer: Buffer.from(connection.producer, "latin1"),
  };
  context.sender.send(connection, encodeServerFrame({ $case: "welcome", value }));
  context.meters.clients.noteWelcome(connection.startedUs);
}
