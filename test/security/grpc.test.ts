/**
 * Callers of the control plane's port without credentials: every method of every service that it
 * serves refuses them, but health and reflection. Found by reflection, so a new one is in it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { Issuer } from "../controlplane/access/issue.ts";
import { listServices, makeCall } from "../controlplane/served-calls.ts";
import { refusal, testControlPlane } from "../controlplane/start-control-plane.ts";

/** What answers everybody: load balancers and grpcurl ask before they have anything to show. */
const open = new Set(["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]);
open.add("grpc.reflection.v1alpha.ServerReflection");

test("without credentials, with foreign or with malformed ones, no call is answered", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-grpc-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const authJwtKeyFile = new Issuer().write(path.join(folder, "key.pem"));
  const { plane } = await testControlPlane({ authJwtKeyFile, ownGatewayId: "gw-1" });
  const url = new URL("../../proto/gen/descriptor-set.binpb", import.meta.url);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(url)));
  const guarded = [...(await listServices(plane.address))].filter((name) => !open.has(name));
  expect(guarded).toContain("flagd.sync.v1.FlagSyncService");
  expect(guarded.length).toBeGreaterThan(12);
  const client = new Client(plane.address, credentials.createInsecure());
  onTestFinished(() => client.close());

  const claims = { sub: "mallory", tidegate_role: "admin" };
  const foreign = await new Issuer().token(claims);
  const [, body = ""] = foreign.split(".");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const shown = [
    undefined,
    foreign,
    `${none}.${body}.`,
    "own.AAAA",
    plane.gatewayToken.slice(0, -1),
  ];
  const outcomes = new Set<string>();
  let callCount = 0;
  for (const name of guarded) {
    const service = registry.getService(name);
    expect([name, service?.methods.length ?? 0]).not.toEqual([name, 0]);
    for (const method of service?.methods ?? []) {
      if (service === undefined) continue;
      for (const token of shown) {
        const call = makeCall(client, { service, method }, Buffer.alloc(0), token);
        const { code } = await refusal(call);
        outcomes.add(`${code === "CREDENTIALS_INVALID" ? "" : method.name} ${code}`);
        callCount += 1;
      }
    }
  }
  expect([...outcomes]).toEqual([" CREDENTIALS_INVALID"]);
  expect(callCount).toBeGreaterThan(150);
}, 60_000);
