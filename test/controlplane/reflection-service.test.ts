/**
 * grpc.reflection with a client that knows nothing beforehand: it finds a service, loads its
 * descriptors, and calls it by them.
 */
import { once } from "node:events";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { Client, type ClientDuplexStream, credentials, status } from "@grpc/grpc-js";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import * as v1 from "../../proto/gen/grpc/reflection/v1/reflection.ts";
import * as v1alpha from "../../proto/gen/grpc/reflection/v1alpha/reflection.ts";
import { openControlPlane } from "./start-control-plane.ts";

type Ask = NonNullable<v1.ServerReflectionRequest["messageRequest"]>;
type Answer = v1.ServerReflectionResponse["messageResponse"];
type Stream = ClientDuplexStream<v1.ServerReflectionRequest, v1.ServerReflectionResponse>;

const control = "tidegate.control.v1";

/** Asks one after the other on one stream, ends it, and wants it to end well. */
async function ask(stream: Stream, asks: readonly Ask[]): Promise<Answer[]> {
  for (const messageRequest of asks) stream.write({ host: "h", messageRequest });
  stream.end();
  const answers: Answer[] = [];
  for await (const response of stream as AsyncIterable<v1.ServerReflectionResponse>) {
    expect(response.validHost).toBe("h");
    answers.push(response.messageResponse);
  }
  return answers;
}

let plane: Awaited<ReturnType<typeof openControlPlane>>["plane"];
let errors: object[] = [];

beforeAll(async () => {
  const opened = await openControlPlane();
  plane = opened.plane;
  errors = opened.errors;
  return () => opened.close();
});

function openStream(version: "v1" | "v1alpha" = "v1"): Stream {
  const Reflection = version === "v1" ? v1.ServerReflectionClient : v1alpha.ServerReflectionClient;
  const client = new Reflection(plane.address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return client.serverReflectionInfo() as Stream;
}

function files(answer: Answer): FileDescriptorProto[] {
  if (answer?.$case !== "fileDescriptorResponse") throw new Error(`got ${JSON.stringify(answer)}`);
  return answer.value.fileDescriptorProto.map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
}

test.each(["v1", "v1alpha"] as const)("reflection %s: lists every service", async (version) => {
  const stream = openStream(version);
  const [answer] = await ask(stream, [{ $case: "listServices", value: "*" }]);
  expect(answer).toEqual({
    $case: "listServicesResponse",
    value: {
      service: [
        "flagd.sync.v1.FlagSyncService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        `${control}.AuditService`,
        `${control}.ExplainService`,
        `${control}.FlagService`,
        `${control}.FleetService`,
        `${control}.GatewayService`,
        `${control}.LimitService`,
        `${control}.LogService`,
        `${control}.MessagingService`,
        `${control}.OperationService`,
        `${control}.PlacementGroupService`,
        `${control}.RevocationService`,
        `${control}.RoomClassService`,
        `${control}.RoomService`,
        `${control}.RoutingService`,
        `${control}.ShardService`,
        `${control}.SlotService`,
        `${control}.TraceService`,
        `${control}.VersionGateService`,
      ].map((name) => ({ name })),
    },
  });
});

test("reflection: every listed service, method, message, field and value is found", async () => {
  const symbols = [
    [`${control}.RoomClassService`, "tidegate/control/v1/room_class_service.proto"],
    [`${control}.RoomClassService.GetRoomClass`, "tidegate/control/v1/room_class_service.proto"],
    [`${control}.RoomClass`, "tidegate/control/v1/room_class.proto"],
    [`${control}.RoomClass.mode`, "tidegate/control/v1/room_class.proto"],
    [`${control}.RoomMode`, "tidegate/control/v1/room_class.proto"],
    [`${control}.MessagingService`, "tidegate/control/v1/messaging_service.proto"],
    [`${control}.GatewayService`, "tidegate/control/v1/gateway_service.proto"],
    [`${control}.Shard`, "tidegate/control/v1/shard.proto"],
    [`${control}.SlotState`, "tidegate/control/v1/slot.proto"],
    ["grpc.health.v1.Health", "grpc/health/v1/health.proto"],
    ["grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"],
    ["grpc.reflection.v1alpha.ServerReflection", "grpc/reflection/v1alpha/reflection.proto"],
    ["google.rpc.ErrorInfo", "google/rpc/error_details.proto"],
    ["google.protobuf.Timestamp", "google/protobuf/timestamp.proto"],
  ] as const;
  const asks = symbols.map(([value]): Ask => ({ $case: "fileContainingSymbol", value }));
  const answers = await ask(openStream(), asks);
  expect(answers.map((answer) => files(answer)[0]?.name)).toEqual(symbols.map(([, file]) => file));
});

test("reflection: comments of the .proto files are in the descriptors", async () => {
  const value = `${control}.RoomClassService`;
  const [answer] = await ask(openStream(), [{ $case: "fileContainingSymbol", value }]);
  const comments = files(answer)[0]?.sourceCodeInfo?.location.map((each) => each.leadingComments);
  expect(comments?.join("")).toContain("Creates, reads, changes and deletes room classes.");
});

test("reflection: what is not there is NOT_FOUND, and the stream goes on", async () => {
  const answers = await ask(openStream(), [
    { $case: "fileContainingSymbol", value: "nope.Nope" },
    { $case: "fileContainingSymbol", value: `${control}.RoomClass.nope` },
    { $case: "fileContainingSymbol", value: "" },
    { $case: "fileByFilename", value: "nope.proto" },
    { $case: "allExtensionNumbersOfType", value: `${control}.RoomClass` },
    {
      $case: "fileContainingExtension",
      value: { containingType: `${control}.RoomClass`, extensionNumber: 1 },
    },
    { $case: "fileByFilename", value: "tidegate/control/v1/room_class.proto" },
  ]);
  const errors = answers
    .slice(0, 6)
    .map((answer) => answer?.$case === "errorResponse" && answer.value.errorCode);
  expect(errors).toEqual(Array.from({ length: 6 }, () => status.NOT_FOUND));
  expect(files(answers[6]).map(({ name }) => name)).toEqual([
    "tidegate/control/v1/room_class.proto",
    "google/protobuf/timestamp.proto",
  ]);
});

test("reflection: a client that knows nothing can call by what it learns", async () => {
  const reflection = new v1.ServerReflectionClient(plane.address, credentials.createInsecure());
  onTestFinished(() => reflection.close());
  const value = `${control}.RoomClassService`;
  const [answer] = await ask(reflection.serverReflectionInfo(), [
    { $case: "fileContainingSymbol", value },
  ]);
  // It wants imports before those that import them.
  const set = create(FileDescriptorSetSchema, { file: files(answer).toReversed() });
  const registry = createFileRegistry(set);
  const method = registry.getService(value)?.methods.find(({ name }) => name === "GetRoomClass");
  if (method === undefined) throw new Error("no such method");
  const request = create(method.input, { name: "tenants/default/roomClasses/chat" });
  const client = new Client(plane.address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const response = await new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest<Uint8Array, Buffer>(
      `/${value}/GetRoomClass`,
      (bytes) => Buffer.from(bytes),
      (bytes) => bytes,
      toBinary(method.input, request),
      (error, bytes) => (error === null && bytes !== undefined ? resolve(bytes) : reject(error)),
    );
  });
  const decoded = fromBinary(method.output, response) as unknown as {
    roomClass: { name: string; builtIn: boolean };
  };
  expect(decoded.roomClass).toMatchObject({
    name: "tenants/default/roomClasses/chat",
    builtIn: true,
  });
});

test("reflection: bytes that do not decode end the stream with INVALID_ARGUMENT", async () => {
  const client = new Client(plane.address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const pass = (bytes: Buffer) => bytes;
  const stream = client.makeBidiStreamRequest(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    pass,
    pass,
  );
  const failed = once(stream, "error");
  stream.write(Buffer.from([0x1a, 0xff]));
  const [error] = await failed;
  expect(error.code).toBe(status.INVALID_ARGUMENT);
});

test("reflection: a client that cancels, or floods without reading, harms nobody", async () => {
  const client = new v1.ServerReflectionClient(plane.address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const hostile = client.serverReflectionInfo();
  hostile.on("error", () => {}); // our own cancel
  hostile.pause();
  const messageRequest: Ask = { $case: "fileContainingSymbol", value: "google.rpc.ErrorInfo" };
  for (let at = 0; at < 2000; at += 1) hostile.write({ host: "h", messageRequest });
  const [answer] = await ask(openStream(), [{ $case: "listServices", value: "" }]);
  expect(answer?.$case).toBe("listServicesResponse");
  const closed = new Promise((resolve) => hostile.once("status", resolve));
  hostile.cancel();
  await closed;
  const again = await ask(openStream(), [{ $case: "listServices", value: "" }]);
  expect(again).toHaveLength(1);
  expect(errors).toEqual([]);
});
