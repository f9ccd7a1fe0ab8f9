/**
 * The list of messages. Everything from others goes in as text, never as markup.
 *
 * A second member's counts are gathered into one row: five lines a second would hide what people
 * say.
 */

import type { RoomMessage } from "../../../sdk/typescript/index.ts";
import type { ChatPayload, Payload } from "./payload.ts";
import { positionLabel } from "./session.ts";

/** Rows kept; the oldest go first. */
const ROWS_MAX = 300;
/** Counts in one row. */
const ROW_BEATS_MAX = 60;
/** Closer than this to the end counts as reading the end, pixels. */
const END_PX = 60;

/** How a message came. */
export type Came = "history" | "live" | "recovered";

export class ChatList {
  readonly #list: HTMLElement;
  readonly #own: string;
  readonly #pending = new Map<number, HTMLElement>();
  #beats: { readonly from: string; readonly box: HTMLElement; count: number } | null = null;

  /** @param own the `from` of this page's own messages. */
  constructor(list: HTMLElement, own: string) {
    this.#list = list;
    this.#own = own;
  }

  add(message: RoomMessage<Payload>, came: Came): void {
    if (message.payload.kind === "beat") this.#addBeat(message.payload, came);
    else this.#addLine(message, came);
  }

  /** A line of the page's own: "joined", "cut", "gap". */
  note(text: string, kind: "note" | "gap" = "note"): void {
    const row = make("li", kind);
    row.append(make("span", "", text));
    this.#append(row);
  }

  /** Shows an own line until it comes back as a message, or {@link removePending}. */
  addPending({ n, text }: ChatPayload): void {
    const row = make("li", "line own pending");
    row.append(make("p", "text", text), make("span", "facts", "not acknowledged yet"));
    this.#append(row);
    this.#pending.set(n, row);
  }

  removePending(n: number): void {
    this.#pending.get(n)?.remove();
    this.#pending.delete(n);
  }

  clear(): void {
    this.#beats = null;
    this.#pending.clear();
    this.#list.replaceChildren();
  }

  #addLine(message: RoomMessage<Payload>, came: Came): void {
    const { payload } = message;
    if (payload.kind === "beat") return;
    const isOwn = payload.kind === "chat" && payload.from === this.#own;
    if (isOwn) this.removePending(payload.n);
    const row = make("li", `line ${came}${isOwn ? " own" : ""}`);
    const name = payload.kind === "chat" ? payload.name : message.user || "another client";
    const head = make("div", "head");
    const who = make("b", "", name);
    who.style.setProperty("--hue", String(hueOf(name)));
    head.append(who);
    row.append(head, make("p", "text", payload.text), this.#facts(message, came));
    this.#append(row);
  }

  #facts(message: RoomMessage<Payload>, came: Came): HTMLElement {
    const facts = make("span", "facts");
    const time = make("time", "", timeOf(message.sentAt));
    time.setAttribute("datetime", message.sentAt.toISOString());
    facts.append(time);
    const label = positionLabel(message.position);
    if (label !== "") facts.append(make("span", "position", label));
    if (came === "recovered") facts.append(make("span", "badge", "recovered"));
    return facts;
  }

  #addBeat({ from, n }: { readonly from: string; readonly n: number }, came: Came): void {
    const isEnd = this.#isAtEnd();
    let beats = this.#beats;
    if (beats === null || beats.from !== from || beats.count >= ROW_BEATS_MAX) {
      const row = make("li", "beats");
      const box = make("div", "counts");
      row.append(make("b", "", "Second member"), box);
      this.#append(row);
      beats = { from, box, count: 0 };
      this.#beats = beats;
    }
    beats.count += 1;
    beats.box.append(make("span", came, String(n)));
    if (isEnd) this.#scrollToEnd();
  }

  #append(row: HTMLElement): void {
    const isEnd = this.#isAtEnd();
    this.#beats = null;
    const pending = this.#list.querySelector(".pending");
    if (row.classList.contains("pending") || pending === null) this.#list.append(row);
    else pending.before(row);
    if (this.#list.childElementCount > ROWS_MAX) this.#list.firstElementChild?.remove();
    if (isEnd || row.classList.contains("own")) this.#scrollToEnd();
  }

  #isAtEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < END_PX;
  }

  #scrollToEnd(): void {
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function make(tag: string, className: string, text?: string): HTMLElement {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function timeOf(date: Date): string {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A colour for a name: the same on every page. */
function hueOf(name: string): number {
  let hue = 0;
  for (const char of name) hue = (hue * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return hue;
}
