/**
 * Words for the numbers of enums, in what people read.
 *
 * Pure.
 */

/**
 * The name of a value, such as "RUNNING"; the number as text for one that this version does not
 * know.
 *
 * @param names the enum's object.
 */
export function enumName(names: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value);
}
