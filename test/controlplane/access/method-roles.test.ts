/**
 * The table of roles: every method of the .proto files is in it, and nothing else.
 */
import { readFile } from "node:fs/promises";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { allows, type Role } from "../../../controlplane/access/caller.ts";
import { methodRule, methodsWithRoles } from "../../../controlplane/access/method-roles.ts";

/** Every method of tidegate.control.v1 and flagd.sync.v1, "<package>.<Service>/<Method>". */
async function methodsOfProtos(): Promise<string[]> {
  const file = new URL("../../../proto/gen/descriptor-set.binpb", import.meta.url);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(file)));
  return [...registry]
    .filter((type) => type.kind === "service")
    .filter(({ typeName }) => /^(tidegate\.control\.v1|flagd\.sync\.v1)\./.test(typeName))
    .flatMap(({ typeName, methods }) => methods.map(({ name }) => `${typeName}/${name}`));
}

test("every method has a role, and every role a method", async () => {
  const methods = await methodsOfProtos();
  expect(methods.length).toBeGreaterThan(20);
  expect(methodsWithRoles().sort()).toEqual(methods.sort());
});

test("what reads changes nothing, and viewers change nothing", async () => {
  for (const method of methodsWithRoles()) {
    const { role, changes } = methodRule(method);
    const isRead = /\/(Get|List|Watch)/.test(method);
    if (isRead) expect([method, changes]).toEqual([method, false]);
    if (role === "viewer") expect([method, changes]).toEqual([method, false]);
    const isUndone = /\/Delete(Limit|Revocation|VersionGate)$/.test(method); // by setting it again
    if (/\/Delete/.test(method) && !isUndone) expect(role).toBe("admin");
  }
});

test("a method without a role can not be served", () => {
  for (const method of ["tidegate.control.v1.ShardService/Explode", "x/y", "", "Publish"]) {
    expect(() => methodRule(method)).toThrow(/method-roles/);
  }
});

test.each<[Role, Role[]]>([
  ["viewer", ["viewer"]],
  ["operator", ["viewer", "operator"]],
  ["admin", ["viewer", "operator", "admin", "gateway"]],
  ["gateway", ["gateway"]],
])("role %s is enough for what needs %j", (role, expected) => {
  const all: Role[] = ["viewer", "operator", "admin", "gateway"];
  expect(all.filter((needed) => allows(role, needed))).toEqual(expected);
});
