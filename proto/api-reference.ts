/**
 * The reference of the control plane's gRPC API as Markdown, from the descriptors of the .proto
 * files and their comments: docs/api.md. Pure.
 */
import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  ScalarType,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { descriptorComments } from "./descriptor-comments.ts";

/** By descriptor. */
type Comments = ReadonlyMap<object, string>;

const controlPackage = "tidegate.control.v1";
const seeAlso =
  "What the calls are for is in [control-plane.md](control-plane.md), what errors mean in " +
  "[errors.md](errors.md).";

/**
 * @param descriptorSet an encoded google.protobuf.FileDescriptorSet with source information.
 * @throws an Error that names what has no comment: the reference would have a hole there.
 */
export function apiReference(descriptorSet: Uint8Array): string {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  const files = [...registry.files].filter((file) => file.proto.package === controlPackage);
  const comments = new Map(files.flatMap(({ proto }) => [...descriptorComments(proto)]));
  const services = sortByName(files.flatMap((file) => file.services));
  const messages = sortByName(files.flatMap((file) => file.messages.flatMap(withNested)));
  const enums = sortByName(files.flatMap((file) => [...file.enums, ...nestedEnums(file)]));
  const requests = new Set<DescMessage>();
  for (const { methods } of services) {
    for (const { input, output } of methods) requests.add(input).add(output);
  }
  const resources = messages.filter((message) => !requests.has(message));
  const list = (items: readonly { name: string }[]) =>
    items.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(", ");
  return [
    `Package \`${controlPackage}\`. ${seeAlso}`,
    `- Services: ${list(services)}\n- Resources: ${list(resources)}\n- Enums: ${list(enums)}`,
    ...services.map((service) => serviceText(comments, service)),
    "## Resources",
    ...resources.map((message) => messageText(comments, message)),
    "## Enums",
    ...enums.map((each) => enumText(comments, each)),
  ].join("\n\n");
}

function serviceText(comments: Comments, service: DescService): string {
  const methods = service.methods.map((method) => methodText(comments, method));
  return [`## ${service.name}`, comment(comments, service), ...methods].join("\n\n");
}

function methodText(comments: Comments, method: DescMethod): string {
  const { name, parent, input, output, methodKind } = method;
  const [many, answers] = [
    methodKind === "client_streaming" || methodKind === "bidi_streaming",
    methodKind === "server_streaming" || methodKind === "bidi_streaming",
  ];
  const call = `${parent.typeName}/${name}`;
  const parts = [
    `### ${parent.name}.${name}`,
    comment(comments, method),
    `\`${call}\`${many ? ", a stream of requests" : ""}${answers ? ", answered by a stream" : ""}`,
    fieldTable(comments, "request", input),
    fieldTable(comments, "response", output),
  ];
  return parts.join("\n\n");
}

function fieldTable(comments: Comments, title: string, message: DescMessage): string {
  if (message.fields.length === 0) return `The ${title} has no fields.`;
  return fieldRows(comments, title, message);
}

function messageText(comments: Comments, message: DescMessage): string {
  const rows = fieldRows(comments, "field", message);
  return [`### ${message.name}`, comment(comments, message), rows].join("\n\n");
}

function fieldRows(comments: Comments, title: string, message: DescMessage): string {
  const rows = message.fields.map((field) => {
    const oneof = field.oneof === undefined ? "" : ` One of \`${field.oneof.name}\`.`;
    const text = comments.get(field.proto) ?? "";
    return `| \`${field.name}\` | ${typeText(field)} | ${cell(text)}${oneof} |`;
  });
  return [`| ${title} | type | meaning |`, "| --- | --- | --- |", ...rows].join("\n");
}

function enumText(comments: Comments, desc: DescEnum): string {
  const rows = desc.values.map(
    (value) => `| \`${value.name}\` | ${cell(comments.get(value.proto) ?? "")} |`,
  );
  const table = ["| value | meaning |", "| --- | --- |", ...rows].join("\n");
  return [`### ${desc.name}`, comment(comments, desc), table].join("\n\n");
}

function typeText(field: DescField): string {
  if (field.fieldKind === "map") {
    return `map of ${ScalarType[field.mapKey].toLowerCase()} to ${mapValueText(field)}`;
  }
  const many = field.fieldKind === "list" ? "repeated " : "";
  const { message, enum: values, scalar } = field;
  if (message !== undefined) return many + reference(message);
  if (values !== undefined) return many + reference(values);
  return many + ScalarType[scalar ?? ScalarType.BYTES].toLowerCase();
}

function mapValueText(field: DescField & { fieldKind: "map" }): string {
  if (field.message !== undefined) return reference(field.message);
  if (field.enum !== undefined) return reference(field.enum);
  return ScalarType[field.scalar ?? ScalarType.BYTES].toLowerCase();
}

function reference(desc: DescMessage | DescEnum): string {
  if (desc.file.proto.package !== controlPackage) return `\`${desc.typeName}\``;
  return `[${desc.name}](#${desc.name.toLowerCase()})`;
}

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)];
}

function nestedEnums(file: DescFile): DescEnum[] {
  return file.messages.flatMap(withNested).flatMap((message) => message.nestedEnums);
}

function sortByName<T extends { readonly name: string }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Of a service, method, message or enum. */
function comment(
  comments: Comments,
  desc: DescService | DescMethod | DescMessage | DescEnum,
): string {
  const text = comments.get(desc.proto);
  if (text === undefined) throw new Error(`${desc} has no comment in its .proto file`);
  return text;
}

/** In a cell of a table: one line, no bars, braces as they are. */
function cell(text: string): string {
  return text.replaceAll("\n", " ").replaceAll("|", "\\|");
}
