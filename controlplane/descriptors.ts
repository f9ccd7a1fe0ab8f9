/**
 * The descriptors of every .proto file, as reflection serves them: exact, comments included.
 *
 * Read from proto/gen/descriptor-set.binpb (written by `npm run generate`) when first asked for:
 * nothing of it is needed to start.
 */
import { readFile } from "node:fs/promises";

/** Files and symbols by name. */
export interface Descriptors {
  /** Encoded FileDescriptorProto of a file and of all it imports, itself first; or null. */
  file(name: string): readonly Uint8Array[] | null;
  /** Name of the file that declares a symbol: service, method, message, field, enum or value. */
  fileOfSymbol(symbol: string): string | null;
}

const descriptorSet = new URL("../proto/gen/descriptor-set.binpb", import.meta.url);

/** Reads and indexes the descriptor set; about 40 ms, once. */
export async function loadDescriptors(): Promise<Descriptors> {
  const [{ createFileRegistry, fromBinary, toBinary }, wkt, bytes] = await Promise.all([
    import("@bufbuild/protobuf"),
    import("@bufbuild/protobuf/wkt"),
    readFile(descriptorSet),
  ]);
  const set = fromBinary(wkt.FileDescriptorSetSchema, bytes);
  const registry = createFileRegistry(set);
  const encoded = new Map<string, Uint8Array>();
  const imports = new Map<string, readonly string[]>();
  for (const file of set.file) {
    encoded.set(file.name, toBinary(wkt.FileDescriptorProtoSchema, file));
    imports.set(file.name, file.dependency);
  }
  return {
    file: (name) => {
      if (!encoded.has(name)) return null;
      const names = withImports(name, imports);
      return [...names].map((each) => encoded.get(each)).filter((each) => each !== undefined);
    },
    fileOfSymbol: (symbol) => {
      const direct = registry.get(symbol);
      if (direct !== undefined) return `${direct.file.name}.proto`;
      const dot = symbol.lastIndexOf(".");
      const parent = registry.get(symbol.slice(0, Math.max(dot, 0)));
      const member = symbol.slice(dot + 1);
      const isMember =
        (parent?.kind === "service" && parent.methods.some((each) => each.name === member)) ||
        (parent?.kind === "enum" && parent.values.some((each) => each.name === member)) ||
        (parent?.kind === "message" && parent.members.some((each) => each.name === member));
      return isMember ? `${parent.file.name}.proto` : null;
    },
  };
}

/** `name` first, then everything it imports, each once. */
function withImports(name: string, imports: ReadonlyMap<string, readonly string[]>): Set<string> {
  const names = new Set([name]);
  // A Set's iteration also visits what is added meanwhile.
  for (const each of names) {
    for (const imported of imports.get(each) ?? []) names.add(imported);
  }
  return names;
}
