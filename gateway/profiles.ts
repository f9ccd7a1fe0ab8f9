/**
 * What clients say of themselves: one object for all that say the same, since most do.
 */
import {
  type ClientProfile,
  HELLO_ATTRIBUTE_COUNT_MAX,
  HELLO_KEY_BYTES_MAX,
  HELLO_VALUE_BYTES_MAX,
} from "../proto/client-context.ts";
import { CodedError } from "../proto/coded-error.ts";
import type { Hello } from "../proto/gen/tidegate/client/v1/session.ts";

/** Different ones remembered; beyond it all are forgotten, and later ones get a new object. */
const PROFILE_COUNT_MAX = 4096;
/** Bytes of each part of the client's build. */
const BUILD_PART_BYTES_MAX = 64;

/** The profiles of one gateway. */
export class Profiles {
  readonly #known = new Map<string, ClientProfile>();

  /**
   * What a Hello says. Of the same build there is one `build`, whatever else is said.
   *
   * @throws {CodedError} `FRAME_INVALID` when more is said than the frame allows.
   */
  of(hello: Hello): ClientProfile {
    const { name = "", version = "", platform = "" } = hello.build ?? {};
    const { region, attributes } = hello;
    const plain = this.#plain(name, version, platform);
    if (region === "" && attributes.length === 0) return plain;
    checkSaid(hello);
    const said = attributes.map(({ key, value }) => ({ key, value }));
    return this.#intern(JSON.stringify([name, version, platform, region, said]), () => ({
      ...{ build: plain.build, region, attributes: said },
    }));
  }

  #plain(name: string, version: string, platform: string): ClientProfile {
    return this.#intern(`${name}\0${version}\0${platform}`, () => {
      for (const part of [name, version, platform]) {
        if (Buffer.byteLength(part) <= BUILD_PART_BYTES_MAX) continue;
        const detail = `a part of build is longer than ${BUILD_PART_BYTES_MAX} bytes`;
        throw new CodedError("FRAME_INVALID", detail);
      }
      return { build: { name, version, platform }, region: "", attributes: [] };
    });
  }

  #intern(key: string, make: () => ClientProfile): ClientProfile {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    if (this.#known.size >= PROFILE_COUNT_MAX) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }
}

function checkSaid({ region, attributes }: Hello): void {
  if (!/^[a-z0-9-]{0,32}$/.test(region)) {
    throw new CodedError("FRAME_INVALID", "region is not [a-z0-9-]{0,32}");
  }
  if (attributes.length > HELLO_ATTRIBUTE_COUNT_MAX) {
    const detail = `Hello has ${attributes.length} attributes, at most ${HELLO_ATTRIBUTE_COUNT_MAX}`;
    throw new CodedError("FRAME_INVALID", detail);
  }
  for (const { key, value } of attributes) {
    const isKeyFine = key !== "" && Buffer.byteLength(key) <= HELLO_KEY_BYTES_MAX;
    if (isKeyFine && Buffer.byteLength(value) <= HELLO_VALUE_BYTES_MAX) continue;
    const detail =
      `an attribute's key must have 1 to ${HELLO_KEY_BYTES_MAX} bytes, ` +
      `its value at most ${HELLO_VALUE_BYTES_MAX}`;
    throw new CodedError("FRAME_INVALID", detail);
  }
}
