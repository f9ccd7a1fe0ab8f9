/**
 * Puts together what has to do with flags: FlagService, and flagd's own sync protocol.
 *
 * What serves them is imported with their first call: no start waits for it.
 */
import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { Bus } from "../../bus/bus.ts";
import {
  type FetchAllFlagsRequest,
  type FetchAllFlagsResponse,
  FlagSyncServiceService,
} from "../../proto/gen/flagd/sync/v1/sync.ts";
import { FlagServiceService } from "../../proto/gen/tidegate/control/v1/flag_service.ts";
import { type CallGate, forgiving } from "../calls.ts";
import type { ControlStore } from "../control-store.ts";
import type { Log } from "../log.ts";
import type { FlagCalls } from "./flag-service.ts";
import type { FlagSyncCalls, SyncStream } from "./sync-service.ts";

const flagService = "tidegate.control.v1.FlagService";
const syncService = "flagd.sync.v1.FlagSyncService";
/** Full names of the services. */
export const FLAG_SERVICES: readonly string[] = [flagService, syncService];

/** What the services work with. */
interface FlagParts {
  readonly store: ControlStore;
  readonly bus: Bus;
  readonly log: Log;
}

/** Adds the services; close it before the server, so that its streams end. */
export function addFlags(
  server: Server,
  gate: CallGate,
  { store, bus, log }: FlagParts,
): { close(): void } {
  const calls = late(async (): Promise<FlagCalls> => {
    const [{ FlagCalls }, { FlagSetStore }] = await Promise.all([
      import("./flag-service.ts"),
      import("./flag-set-store.ts"),
    ]);
    return new FlagCalls(new FlagSetStore(store), bus);
  });
  const sync = late(async (): Promise<FlagSyncCalls> => {
    const { FlagSyncCalls } = await import("./sync-service.ts");
    return new FlagSyncCalls(store, log);
  });
  addFlagService(server, gate, calls.get);
  addSyncService(server, gate, sync.get);
  return { close: () => sync.ifAny((loaded) => loaded.close()) };
}

function addFlagService(server: Server, gate: CallGate, calls: () => Promise<FlagCalls>): void {
  const at = (method: string) => `${flagService}/${method}`;
  server.addService(forgiving(FlagServiceService), {
    createFlagSet: gate.unary(at("CreateFlagSet"), async (r, caller) =>
      (await calls()).create(r, caller),
    ),
    getFlagSet: gate.unary(at("GetFlagSet"), async (r) => (await calls()).get(r)),
    listFlagSets: gate.unary(at("ListFlagSets"), async (r) => (await calls()).list(r)),
    updateFlagSet: gate.unary(at("UpdateFlagSet"), async (r, caller) =>
      (await calls()).update(r, caller),
    ),
    deleteFlagSet: gate.unary(at("DeleteFlagSet"), async (r, caller) =>
      (await calls()).delete(r, caller),
    ),
    testFlags: gate.unary(at("TestFlags"), async (r) => (await calls()).test(r)),
    listFlagExposures: gate.unary(at("ListFlagExposures"), async (r) => {
      return (await calls()).exposures(r);
    }),
  });
}

function addSyncService(server: Server, gate: CallGate, sync: () => Promise<FlagSyncCalls>): void {
  server.addService(forgiving(FlagSyncServiceService), {
    syncFlags: gate.stream(`${syncService}/SyncFlags`, async (stream: SyncStream) =>
      (await sync()).serve(stream),
    ),
    fetchAllFlags: (
      call: ServerUnaryCall<FetchAllFlagsRequest, FetchAllFlagsResponse>,
      callback: sendUnaryData<FetchAllFlagsResponse>,
    ) => {
      const [header = ""] = call.metadata.get("flagd-selector");
      const fetch = async (request: FetchAllFlagsRequest) =>
        (await sync()).fetch(request, String(header));
      gate.unary(`${syncService}/FetchAllFlags`, fetch)(call, callback);
    },
    getMetadata: gate.unary(`${syncService}/GetMetadata`, async () => (await sync()).metadata()),
  });
}

/** Something that is made when it is first asked for. */
function late<T>(make: () => Promise<T>) {
  let made: Promise<T> | null = null;
  return {
    get: (): Promise<T> => {
      made ??= make();
      return made;
    },
    ifAny: (use: (loaded: T) => void): void => void made?.then(use),
  };
}
