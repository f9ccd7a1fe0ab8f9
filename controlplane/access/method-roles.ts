/**
 * The least role that each call needs, and whether it changes anything: the one table of them.
 *
 * Pure. Viewers see how things stand, but neither what members wrote nor who did what. Operators
 * run the fleet: everything that another call can take back. Admins also do what nothing takes
 * back, or what decides where data is kept. A test compares this table with the .proto files; a
 * method that is missing here can not be served.
 */
import type { Role } from "./caller.ts";

/** What a call needs. */
export interface MethodRule {
  /** The least role. */
  readonly role: Role;
  /** Whether it may change something: then it is audited when it is refused, whatever for. */
  readonly changes: boolean;
}

const see: MethodRule = { role: "viewer", changes: false };
const look: MethodRule = { role: "operator", changes: false };
/** Passes messages on: no change of the configuration, and many a second. */
const speak: MethodRule = { role: "operator", changes: false };
const run: MethodRule = { role: "operator", changes: true };
/** Gateways alone, but where nobody's role is asked. */
const follow: MethodRule = { role: "gateway", changes: false };
const decide: MethodRule = { role: "admin", changes: true };

/** By service and method; a service without a package is of tidegate.control.v1. */
const rules: Readonly<Record<string, Readonly<Record<string, MethodRule>>>> = {
  AuditService: { ListAuditEntries: look },
  ExplainService: { Explain: look },
  FlagService: {
    CreateFlagSet: run,
    GetFlagSet: see,
    ListFlagSets: see,
    UpdateFlagSet: run,
    DeleteFlagSet: decide,
    TestFlags: see,
    ListFlagExposures: see,
  },
  FleetService: { GetScaleAdvice: see, GetActivity: look },
  GatewayService: {
    ListGateways: see,
    GetGateway: see,
    DrainGateway: run,
    UndrainGateway: run,
  },
  LimitService: { GetLimit: see, ListLimits: see, UpdateLimit: run, DeleteLimit: run },
  LogService: { ListLogLevels: see, SetLogLevel: run },
  MessagingService: {
    Publish: speak,
    ListHistory: look,
    DisconnectConnection: run,
    DisconnectUser: run,
  },
  OperationService: {
    GetOperation: see,
    ListOperations: see,
    WatchOperation: see,
    PauseOperation: run,
    ResumeOperation: run,
    AbortOperation: run,
  },
  PlacementGroupService: {
    ListPlacementGroups: see,
    GetPlacementGroup: see,
    CreatePlacementGroup: decide,
    UpdatePlacementGroup: decide,
    DeletePlacementGroup: decide,
    RebalancePlacementGroup: run,
  },
  RevocationService: {
    CreateRevocation: run,
    GetRevocation: look,
    ListRevocations: look,
    DeleteRevocation: run,
  },
  RoomClassService: {
    CreateRoomClass: run,
    GetRoomClass: see,
    ListRoomClasses: see,
    UpdateRoomClass: run,
    DeleteRoomClass: decide,
  },
  RoomService: { ListRooms: see, GetRoom: see, ListMembers: look },
  RoutingService: { StreamRouting: follow },
  ShardService: {
    ListShards: see,
    GetShard: see,
    CreateShard: decide,
    UpdateShard: decide,
    DeleteShard: decide,
    DrainShard: run,
    RetireShard: run,
    ActivateShard: run,
  },
  "flagd.sync.v1.FlagSyncService": { SyncFlags: see, FetchAllFlags: see, GetMetadata: see },
  SlotService: {
    ListSlots: see,
    GetSlot: see,
    GetRoomRoute: see,
    MoveSlot: run,
    PinSlot: run,
    UnpinSlot: run,
  },
  TraceService: { GetTrace: look },
  VersionGateService: {
    CreateVersionGate: run,
    GetVersionGate: see,
    ListVersionGates: see,
    UpdateVersionGate: run,
    DeleteVersionGate: run,
    TestVersionGates: see,
  },
};

/** Package of the services without one. */
const servicePackage = "tidegate.control.v1";

/**
 * What a call needs.
 *
 * @param method "<package>.<Service>/<Method>".
 * @throws {Error} when it is not in the table: add it there.
 */
export function methodRule(method: string): MethodRule {
  const [, service = "", name = ""] = /^(.+)\/(.+)$/.exec(method) ?? [];
  const prefix = `${servicePackage}.`;
  const key = service.startsWith(prefix) ? service.slice(prefix.length) : service;
  const isWhole = service.startsWith(prefix) || key.includes(".");
  const rule = isWhole ? rules[key]?.[name] : undefined;
  if (rule !== undefined) return rule;
  throw new Error(`${method} has no role; add it to controlplane/access/method-roles.ts`);
}

/** Every method of the table, "<package>.<Service>/<Method>". */
export function methodsWithRoles(): string[] {
  return Object.entries(rules).flatMap(([service, methods]) =>
    Object.keys(methods).map((method) => {
      const isWhole = service.includes(".");
      return `${isWhole ? "" : `${servicePackage}.`}${service}/${method}`;
    }),
  );
}
