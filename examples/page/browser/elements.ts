/**
 * The page's elements by id, each of the type it has in index.html; a missing one is a mistake in
 * the page and says so at once.
 */

/** The element of that id. */
export function element<T extends Element>(id: string, type: abstract new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`index.html has no ${type.name} with id "${id}"`);
}
