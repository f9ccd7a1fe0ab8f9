/**
 * Puts together what has to do with flags: FlagService, and flagd's own sync protocol.
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
import { FLAG_SERVICE, FlagCalls } from "./flag-service.ts";
import { FlagSetStore } from "./flag-set-store.ts";
import { FLAG_SYNC_SERVICE, FlagSyncCalls, type SyncStream } from "./sync-service.ts";

/** Full names of the services. */
export const FLAG_SERVICES: readonly string[] = [FLAG_SERVICE, FLAG_SYNC_SERVICE];

/** Adds the services; close it before the server, so that its streams end. */
export function addFlags(
  server: Server,
  gate: CallGate,
  { store, bus, log }: { store: ControlStore; bus: Bus; log: Log },
): { close(): void } {
  const calls = new FlagCalls(new FlagSetStore(store), bus);
  server.addService(forgiving(FlagServiceService), {
    createFlagSet: gate.unary(`${FLAG_SERVICE}/CreateFlagSet`, calls.create.bind(calls)),
    getFlagSet: gate.unary(`${FLAG_SERVICE}/GetFlagSet`, calls.get.bind(calls)),
    listFlagSets: gate.unary(`${FLAG_SERVICE}/ListFlagSets`, calls.list.bind(calls)),
    updateFlagSet: gate.unary(`${FLAG_SERVICE}/UpdateFlagSet`, calls.update.bind(calls)),
    deleteFlagSet: gate.unary(`${FLAG_SERVICE}/DeleteFlagSet`, calls.delete.bind(calls)),
    testFlags: gate.unary(`${FLAG_SERVICE}/TestFlags`, calls.test.bind(calls)),
    listFlagExposures: gate.unary(`${FLAG_SERVICE}/ListFlagExposures`, calls.exposures.bind(calls)),
  });
  const sync = new FlagSyncCalls(store, log);
  server.addService(forgiving(FlagSyncServiceService), {
    syncFlags: gate.stream(`${FLAG_SYNC_SERVICE}/SyncFlags`, (stream: SyncStream) =>
      sync.serve(stream),
    ),
    fetchAllFlags: (
      call: ServerUnaryCall<FetchAllFlagsRequest, FetchAllFlagsResponse>,
      callback: sendUnaryData<FetchAllFlagsResponse>,
    ) => {
      const [header = ""] = call.metadata.get("flagd-selector");
      const fetch = (request: FetchAllFlagsRequest) => sync.fetch(request, String(header));
      gate.unary(`${FLAG_SYNC_SERVICE}/FetchAllFlags`, fetch)(call, callback);
    },
    getMetadata: gate.unary(`${FLAG_SYNC_SERVICE}/GetMetadata`, sync.metadata.bind(sync)),
  });
  return sync;
}
