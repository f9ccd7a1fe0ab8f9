/**
 * The pill that says how the connection is, with a countdown while it is cut on purpose.
 */
import type { ClientStatus } from "../../../sdk/typescript/index.ts";
import { seconds } from "./story.ts";

const TICK_MS = 100;

export class Pill {
  readonly #box: HTMLElement;
  readonly #text: HTMLElement;
  #backAtMs = 0;
  #timer: number | null = null;

  /** @param box gets the state as data-state; @param text the words. */
  constructor(box: HTMLElement, text: HTMLElement) {
    this.#box = box;
    this.#text = text;
  }

  /** The network stays away until then, because the button was pressed. */
  expectBack(atMs: number): void {
    this.#backAtMs = atMs;
  }

  show(status: ClientStatus): void {
    if (this.#timer !== null) window.clearInterval(this.#timer);
    this.#timer = null;
    this.#box.dataset.state = status.state;
    if (status.state === "reconnecting") {
      this.#timer = window.setInterval(() => this.#tick(status.attempt), TICK_MS);
      this.#tick(status.attempt);
    } else {
      this.#text.textContent = status.state === "open" ? "connected" : status.state;
    }
  }

  #tick(attempt: number): void {
    const leftMs = this.#backAtMs - Date.now();
    if (leftMs > 0) this.#text.textContent = `cut, ${seconds(leftMs)}`;
    else this.#text.textContent = attempt > 1 ? `reconnecting, try ${attempt}` : "reconnecting";
  }
}
