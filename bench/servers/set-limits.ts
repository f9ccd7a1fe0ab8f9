/**
 * Sets every rate of the tenant "default" and of its classes, far above what a bench sends: the
 * limits are counted and never reached.
 */
import { type Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { FlagServiceClient } from "../../proto/gen/tidegate/control/v1/flag_service.ts";
import { FlagSet } from "../../proto/gen/tidegate/control/v1/flag_set.ts";
import { OutagePolicy } from "../../proto/gen/tidegate/control/v1/limit.ts";
import { LimitServiceClient } from "../../proto/gen/tidegate/control/v1/limit_service.ts";
import { RoomClassServiceClient } from "../../proto/gen/tidegate/control/v1/room_class_service.ts";
import { LIMIT_MAX, limitName } from "../../proto/limits.ts";
import {
  BUILT_IN_CLASSES,
  defaultRoomClass,
  PUBLISH_RATE_MAX,
  roomClassName,
} from "../../proto/room-class.ts";

const RATES = ["frames-per-second", "bytes-per-second", "user-publishes-per-second"] as const;

type Unary<Request, Response> = (
  request: Request,
  done: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** Resolves when all are set; gateways have them some milliseconds later. */
export async function setLimits(grpc: string): Promise<void> {
  const limits = new LimitServiceClient(grpc, credentials.createInsecure());
  const classes = new RoomClassServiceClient(grpc, credentials.createInsecure());
  const options = { validateOnly: false, allowBelowUse: false, requestId: "" };
  for (const name of RATES) {
    const limit = {
      name: limitName("default", name),
      value: BigInt(LIMIT_MAX),
      outagePolicy: OutagePolicy.UNSPECIFIED,
    };
    const record = { ...limit, etag: "", updateTime: undefined, used: 0n } as const;
    const request = { limit: record, updateMask: undefined, ...options };
    await call(limits, limits.updateLimit, request);
  }
  for (const [name, mode] of BUILT_IN_CLASSES) {
    const roomClass = {
      ...defaultRoomClass(roomClassName("default", name), mode),
      roomPublishesPerSecondMax: PUBLISH_RATE_MAX,
      classPublishesPerSecondMax: PUBLISH_RATE_MAX,
    };
    const updateMask = ["room_publishes_per_second_max", "class_publishes_per_second_max"];
    const request = { roomClass, updateMask, allowMissing: false, ...options };
    await call(classes, classes.updateRoomClass, request);
  }
  for (const each of [limits, classes]) each.close();
}

/** Sets a set of flags for clients. */
export async function setFlags(grpc: string, definition: string): Promise<void> {
  const client = new FlagServiceClient(grpc, credentials.createInsecure());
  const flagSet = { ...FlagSet.decode(new Uint8Array(0)), name: "flagSets/bench", definition };
  const rest = { updateMask: undefined, allowMissing: true, validateOnly: false, requestId: "" };
  await call(client, client.updateFlagSet, { flagSet, ...rest });
  client.close();
}

function call<Request, Response>(
  client: Client,
  method: Unary<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, (error, response) =>
      error === null ? resolve(response) : reject(error),
    );
  });
}
