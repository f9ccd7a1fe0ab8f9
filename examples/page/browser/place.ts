/**
 * What the page remembers outside of itself: the room in the address, the name in the browser.
 */
import { NAME_CHARS_MAX } from "./payload.ts";

const DEFAULT_ROOM = "chat:lobby";
const NAME_KEY = "tidegate-name";

/** The room of the address, "#chat:lobby". */
export function roomOfAddress(): string {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text) || DEFAULT_ROOM;
  } catch {
    return text; // a stray "%": taken as it is
  }
}

/** Puts a room into the address; "back" then leads to the room before. */
export function setRoomOfAddress(room: string): void {
  if (room === roomOfAddress() && location.hash !== "") return;
  location.hash = encodeURIComponent(room).replaceAll("%3A", ":").replaceAll("%2F", "/");
}

/** The name chosen last time, or one made up. */
export function readName(): string {
  try {
    const kept = localStorage.getItem(NAME_KEY)?.slice(0, NAME_CHARS_MAX);
    if (kept) return kept;
  } catch {
    // Storage is off in this browser: a new name each time, which is no harm.
  }
  return `${pick(["Quiet", "Early", "Salty", "Swift", "Bright", "Calm"])} ${pick([
    "Heron",
    "Otter",
    "Plover",
    "Seal",
    "Tern",
    "Crab",
  ])}`;
}

/** Keeps a name for next time. */
export function keepName(name: string): void {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // As above.
  }
}

function pick(words: readonly string[]): string {
  return words[Math.floor(Math.random() * words.length)] ?? "";
}
