/** The API reference: whole, and made from what the .proto files say. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { apiReference } from "../../proto/api-reference.ts";

const root = path.resolve(import.meta.dirname, "../..");
const image = readFileSync(path.join(root, "proto/gen/descriptor-set.binpb"));
const files = fromBinary(FileDescriptorSetSchema, image);
const control = files.file.filter((file) => file.package === "tidegate.control.v1");

test("it has every call, and no other package", () => {
  const text = apiReference(image);
  const calls = control.flatMap((file) =>
    file.service.flatMap(({ name, method }) => method.map((one) => `${name}.${one.name}`)),
  );
  expect(calls.length).toBeGreaterThan(10);
  const heads = [...text.matchAll(/^### (\w+\.\w+)$/gm)].map(([, head]) => head);
  expect(heads.sort()).toEqual(calls.sort());
  expect(text).not.toContain("tidegate.client.v1");
});

test("a field's comment is its meaning; the service's stands above its calls", () => {
  const text = apiReference(image);
  expect(text).toMatch(/\| `payload` \| bytes \| 0 to 61440 bytes\. \|/);
  expect(text).toContain("## SlotService\n\nReads where slots are");
  expect(text).toContain("### SlotState\n\nWhat a slot is doing.");
});

test("every link leads to a head", () => {
  const text = apiReference(image);
  const heads = [...text.matchAll(/^#+ (.+)$/gm)].map(([, head]) => head?.toLowerCase());
  const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, link]) => link);
  expect(links.filter((link) => !heads.includes(link))).toEqual([]);
});

test("what has no comment is an error that names it", () => {
  const bare = files.file.map((file) =>
    file.name.endsWith("slot_service.proto") ? { ...file, sourceCodeInfo: undefined } : file,
  );
  const set = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: bare }));
  expect(() => apiReference(set)).toThrow(/SlotService.* has no comment/);
});
