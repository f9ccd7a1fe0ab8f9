/**
 * The comments of a .proto file by the descriptors that they stand before. Pure.
 *
 * Source information names places by the numbers of fields in descriptor.proto, from the file down.
 */
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";

/** Field numbers of descriptor.proto. */
const inFile = { message: 4, enum: 5, service: 6 };
const inMessage = { field: 2, nested: 3, enum: 4 };
const inService = { method: 2 };
const inEnum = { value: 2 };

/** Comment by descriptor, without the space at line starts; descriptors without one are absent. */
export function descriptorComments(file: FileDescriptorProto): ReadonlyMap<object, string> {
  const byPath = new Map<string, string>();
  for (const { path, leadingComments, trailingComments } of file.sourceCodeInfo?.location ?? []) {
    const text = leadingComments || trailingComments;
    if (text !== "") byPath.set(path.join(), text.replaceAll(/^ /gm, "").trim());
  }
  const found = new Map<object, string>();
  const take = (descriptor: object, path: readonly number[]) => {
    const text = byPath.get(path.join());
    if (text !== undefined) found.set(descriptor, text);
  };
  const takeEnum = (desc: EnumDescriptorProto, path: readonly number[]) => {
    take(desc, path);
    for (const [i, value] of desc.value.entries()) take(value, [...path, inEnum.value, i]);
  };
  const takeMessage = (desc: DescriptorProto, path: readonly number[]) => {
    take(desc, path);
    for (const [i, field] of desc.field.entries()) take(field, [...path, inMessage.field, i]);
    for (const [i, one] of desc.nestedType.entries()) {
      takeMessage(one, [...path, inMessage.nested, i]);
    }
    for (const [i, one] of desc.enumType.entries()) takeEnum(one, [...path, inMessage.enum, i]);
  };
  for (const [i, message] of file.messageType.entries()) takeMessage(message, [inFile.message, i]);
  for (const [i, one] of file.enumType.entries()) takeEnum(one, [inFile.enum, i]);
  for (const [i, service] of file.service.entries()) {
    take(service, [inFile.service, i]);
    for (const [j, method] of service.method.entries()) {
      take(method, [inFile.service, i, inService.method, j]);
    }
  }
  return found;
}
