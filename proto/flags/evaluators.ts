/**
 * Shared evaluators: `{"$ref": "name"}` stands for what `$evaluators` says under that name.
 *
 * Pure. flagd's own libraries replace references as text, one evaluator after the other, so that
 * evaluators that use each other work or fail by their order. Here they are put in place once, as
 * values, and what comes out has none left. Prerequisites are written so: a rule that several flags
 * share.
 */
import { at, type Faults, isObject, type Json, type JsonObject, shown } from "./faults.ts";

/** Values of one set's rules once all references are in place: it can double with each level. */
export const NODE_COUNT_MAX = 20_000;
/** Levels of lists and objects in each other. */
export const DEPTH_MAX = 64;

/** A value without references: how many values it has in it, and how deep it is. */
interface Placed {
  readonly value: Json;
  readonly count: number;
  readonly depth: number;
}

const nothing: Placed = { value: null, count: 1, depth: 1 };

/** Puts evaluators in the place of references. */
export class Evaluators {
  readonly #given: JsonObject;
  readonly #faults: Faults;
  readonly #placed = new Map<string, Placed>();
  /** Those that are being put in place: one that comes again is a cycle. */
  readonly #open: string[] = [];
  #left = NODE_COUNT_MAX;

  /** @param given `$evaluators` of a document that is no deeper than {@link DEPTH_MAX}. */
  constructor(given: JsonObject, faults: Faults) {
    this.#given = given;
    this.#faults = faults;
    for (const name of Object.keys(given)) {
      const placed = this.#find(name, at("$evaluators", name));
      const hadRoom = this.#left >= 0;
      this.#left -= placed.count;
      if (this.#left >= 0) continue;
      if (hadRoom) faults.add("$evaluators", `have more than ${NODE_COUNT_MAX} values in all`);
    }
    this.#left = NODE_COUNT_MAX;
  }

  /** The evaluators with no reference left in them. */
  get all(): ReadonlyMap<string, Json> {
    return new Map([...this.#placed].map(([name, { value }]) => [name, value]));
  }

  /** A rule with evaluators in place. Faults are told; null stands for what could not be placed. */
  place(rule: Json, path: string): Json {
    const { value, count } = this.#bounded(this.#place(rule, path), path);
    const hadRoom = this.#left >= 0;
    this.#left -= count;
    if (this.#left >= 0) return value;
    if (hadRoom) this.#faults.add(path, `rules have more than ${NODE_COUNT_MAX} values in all`);
    return null;
  }

  #place(value: Json, path: string): Placed {
    if (typeof value !== "object" || value === null) return { value, count: 1, depth: 1 };
    if (isObject(value) && Object.hasOwn(value, "$ref")) return this.#reference(value, path);
    let count = 1;
    let depth = 0;
    const part = (each: Json, key: string | number): Json => {
      const placed = this.#place(each, at(path, key));
      count += placed.count;
      depth = Math.max(depth, placed.depth);
      return placed.value;
    };
    const parts = isObject(value)
      ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, part(each, key)]))
      : value.map((each, i) => part(each, i));
    return { value: parts, count, depth: depth + 1 };
  }

  #reference(value: JsonObject, path: string): Placed {
    const name = value.$ref;
    if (typeof name === "string" && Object.keys(value).length === 1) return this.#find(name, path);
    this.#faults.add(path, '$ref stands alone, with a name: {"$ref": "name"}');
    return nothing;
  }

  #find(name: string, path: string): Placed {
    const known = this.#placed.get(name);
    if (known !== undefined) return known;
    const rule = Object.hasOwn(this.#given, name) ? this.#given[name] : undefined;
    if (rule === undefined) {
      this.#faults.add(path, `there is no evaluator ${shown(name)}`);
      return nothing;
    }
    if (this.#open.includes(name)) {
      const cycle = [...this.#open.slice(this.#open.indexOf(name)), name].join(" -> ");
      this.#faults.add(path, `evaluators go in a circle: ${cycle}`);
      return nothing;
    }
    if (this.#open.length > DEPTH_MAX) {
      this.#faults.add(path, `evaluators use each other over more than ${DEPTH_MAX} levels`);
      return nothing;
    }
    this.#open.push(name);
    const own = at("$evaluators", name);
    const placed = this.#bounded(this.#place(rule, own), own);
    this.#open.pop();
    this.#placed.set(name, placed);
    return placed;
  }

  #bounded(placed: Placed, path: string): Placed {
    const { count, depth } = placed;
    if (count <= NODE_COUNT_MAX && depth <= DEPTH_MAX) return placed;
    const what = count > NODE_COUNT_MAX ? `${count} values, at most` : `${depth} levels, at most`;
    const max = count > NODE_COUNT_MAX ? NODE_COUNT_MAX : DEPTH_MAX;
    this.#faults.add(path, `has, with evaluators in place, ${what} ${max}`);
    return nothing;
  }
}
