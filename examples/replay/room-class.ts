/**
 * Makes a durable room class on a running control plane, as any operator's program would by gRPC.
 */
import { credentials } from "@grpc/grpc-js";
import { RoomClass, RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import {
  CreateRoomClassRequest,
  RoomClassServiceClient,
} from "../../proto/gen/tidegate/control/v1/room_class_service.ts";

/** Longest history a class can have: nobody falls so far behind in a run. */
const HISTORY_COUNT = 100_000;

/**
 * Creates a class of the tenant "default"; resolves when gateways know it or soon will.
 *
 * @param address of the control plane, "127.0.0.1:9090".
 * @throws a gRPC error, e.g. ALREADY_EXISTS.
 */
export async function createRoomClass(address: string, roomClassId: string): Promise<void> {
  const client = new RoomClassServiceClient(address, credentials.createInsecure());
  const request: CreateRoomClassRequest = {
    ...CreateRoomClassRequest.decode(new Uint8Array()),
    parent: "tenants/default",
    roomClassId,
    roomClass: {
      ...RoomClass.decode(new Uint8Array()),
      name: `tenants/default/roomClasses/${roomClassId}`,
      mode: RoomMode.DURABLE,
      historyCountMax: HISTORY_COUNT,
    },
  };
  try {
    await new Promise<void>((resolve, reject) => {
      client.createRoomClass(request, (error) => (error === null ? resolve() : reject(error)));
    });
  } finally {
    client.close();
  }
}
