/**
 * What the frame handlers work with: the parts of one gateway, made once by gateway.ts.
 */
import assert from "node:assert/strict";
import type { Bus } from "../bus/bus.ts";
import { type ClientContext, clientContext } from "../proto/client-context.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { Authenticate } from "./auth/authenticate.ts";
import type { Revocations } from "./auth/revocations.ts";
import type { TokenWatch } from "./auth/token-watch.ts";
import type { CatchUp } from "./catch-up.ts";
import type { Clock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { connectionId } from "./connection-id.ts";
import type { ConnectionLog } from "./connection-log.ts";
import type { Directory } from "./drain/directory.ts";
import type { Redirects } from "./edge/redirects.ts";
import type { ClientFlags } from "./flags/client-flags.ts";
import type { Refreshing } from "./frames/refresh.ts";
import type { Gates } from "./gates/gates.ts";
import type { Guards } from "./guards.ts";
import type { Identity } from "./identity.ts";
import type { ClientJournal } from "./journal/client-journal.ts";
import type { Log } from "./log.ts";
import type { Meters } from "./metrics/meters.ts";
import type { GatewayOptions } from "./options.ts";
import type { Profiles } from "./profiles.ts";
import type { Publisher } from "./publisher.ts";
import type { Readiness } from "./readiness.ts";
import type { ResumeReads } from "./resume-reads.ts";
import type { Rooms } from "./rooms.ts";
import type { Limits } from "./seats/limits.ts";
import type { Seats } from "./seats/seats.ts";
import type { Sender } from "./sender.ts";
import type { MessageTraces } from "./tracing/message-traces.ts";
import type { Traffic } from "./traffic.ts";

export interface GatewayContext {
  /** Name of this gateway: prefix of its connection ids. */
  readonly gatewayId: string;
  /** Version of Tidegate, semantic. */
  readonly version: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** For lines about a connection. */
  readonly connectionLog: ConnectionLog;
  readonly telemetry: Telemetry;
  readonly options: GatewayOptions;
  readonly authenticate: Authenticate;
  readonly readiness: Readiness;
  readonly directory: Directory;
  readonly redirects: Redirects;
  readonly rooms: Rooms;
  readonly sender: Sender;
  readonly catchUp: CatchUp;
  readonly resumeReads: ResumeReads;
  readonly publisher: Publisher;
  readonly journal: ClientJournal;
  readonly limits: Limits;
  readonly seats: Seats;
  readonly guards: Guards;
  readonly traces: MessageTraces;
  readonly traffic: Traffic;
  readonly meters: Meters;
  readonly profiles: Profiles;
  readonly flags: ClientFlags;
  readonly gates: Gates;
  readonly tokenWatch: TokenWatch;
  readonly refreshing: Refreshing;
  readonly revocations: Revocations;
  /** Whether a class of the tenant lets in clients without a token. */
  hasAnonymousAccess(tenant: string): boolean;
}

/** What flags and version gates may ask about a connection, once its Hello is read. */
export function contextOf(
  context: GatewayContext,
  { number, profile }: Connection,
  identity: Identity,
): ClientContext {
  assert(profile !== null);
  const { tenant, user, attributes } = identity;
  const id = connectionId(context.gatewayId, number);
  const gateway = { id: context.gatewayId, region: context.options.region };
  return clientContext({ connectionId: id, tenant, user, attributes, profile, gateway });
}
