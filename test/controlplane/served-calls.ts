/**
 * The calls that a control plane serves, found by reflection, made with raw bytes: what a test does
 * to every call needs no word about each.
 */
import { readFile } from "node:fs/promises";
import { Duplex } from "node:stream";
import {
  createFileRegistry,
  type DescMethod,
  type DescService,
  fromBinary,
  fromJson,
  type JsonObject,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { ServerReflectionClient } from "../../proto/gen/grpc/reflection/v1/reflection.ts";

/** A call of tidegate.control.v1. */
export interface ServedCall {
  readonly service: DescService;
  readonly method: DescMethod;
}

/** What is served. */
export interface Served {
  readonly calls: readonly ServedCall[];
  /** JSON names of fields that hold an enum, of any message. */
  readonly enumFields: ReadonlySet<string>;
}

/** Names of all services, by reflection. */
export async function listServices(address: string): Promise<ReadonlySet<string>> {
  const reflection = new ServerReflectionClient(address, credentials.createInsecure());
  const stream = reflection.serverReflectionInfo();
  stream.write({ host: "", messageRequest: { $case: "listServices", value: "" } });
  stream.end();
  const names = new Set<string>();
  for await (const { messageResponse } of stream) {
    if (messageResponse?.$case !== "listServicesResponse") continue;
    for (const { name } of messageResponse.value.service) names.add(name);
  }
  reflection.close();
  return names;
}

/** Everything of ours that is served, by reflection. */
export async function listCalls(address: string): Promise<Served> {
  const names = await listServices(address);
  const url = new URL("../../proto/gen/descriptor-set.binpb", import.meta.url);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(url)));
  const enumFields = new Set<string>();
  for (const type of registry) {
    if (type.kind !== "message" || !type.typeName.startsWith("tidegate.")) continue;
    for (const field of type.fields) if (field.enum !== undefined) enumFields.add(field.jsonName);
  }
  const calls = [...registry].flatMap((type) => {
    if (type.kind !== "service" || !type.typeName.startsWith("tidegate.control.v1.")) return [];
    if (!names.has(type.typeName)) return [];
    return type.methods.map((method) => ({ service: type, method }));
  });
  return { calls, enumFields };
}

/** A request's bytes. */
export function encodeRequest({ method }: ServedCall, request: JsonObject): Buffer {
  return Buffer.from(toBinary(method.input, fromJson(method.input, request)));
}

/** Makes a call; resolves with the answer, or at the end of a stream; rejects with its error. */
export function makeCall(
  client: Client,
  call: ServedCall,
  request: Buffer,
  token: string | undefined,
): Promise<Buffer> {
  const { service, method } = call;
  const name = `/${service.typeName}/${method.name}`;
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const same = (bytes: Buffer) => bytes;
  const options = { deadline: Date.now() + 20_000 };
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, answer?: Buffer) => {
      if (error === null) resolve(answer ?? Buffer.alloc(0));
      else reject(error);
    };
    if (method.methodKind === "unary") {
      client.makeUnaryRequest(name, same, same, request, metadata, options, done);
      return;
    }
    const stream =
      method.methodKind === "server_streaming"
        ? client.makeServerStreamRequest(name, same, same, request, metadata, options)
        : client.makeBidiStreamRequest(name, same, same, metadata, options);
    if (stream instanceof Duplex) stream.write(request);
    stream.on("error", (error: ServiceError) => done(error));
    stream.on("data", () => {});
    stream.on("end", () => done(null));
  });
}
