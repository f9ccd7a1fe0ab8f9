/**
 * The timeline: one tick for each message, at the time it was sent, moving left as time passes.
 *
 * Plain elements and one moving parent, so that the style sheet owns all colours and a recovered
 * tick fills by a transition. At most {@link TICKS_MAX} ticks; what has left the window is removed.
 */

/** Pixels of a second: five ticks of 3 pixels stay apart. */
const PX_PER_S = 22;
/** Ticks at once; the oldest go first. 16 s of 60 a second: more could not be told apart. */
const TICKS_MAX = 1000;

/** How a message fares; a class name of the style sheet. */
export type TickState = "sent" | "live" | "recovered" | "missing" | "doubled";

interface Tick {
  readonly element: HTMLElement;
  readonly atMs: number;
}

interface Band {
  readonly element: HTMLElement;
  readonly fromMs: number;
  toMs: number | null;
}

export class Strip {
  readonly #track: HTMLElement;
  readonly #box: HTMLElement;
  readonly #ticks = new Map<string, Tick>();
  readonly #isCalm: boolean;
  #bands: Band[] = [];
  #originMs = Date.now();
  #widthPx = 0;
  #isMoving = false;

  /** @param isCalm true: moves in steps of a second, for who wants less motion. */
  constructor(box: HTMLElement, isCalm: boolean) {
    this.#box = box;
    this.#isCalm = isCalm;
    this.#track = document.createElement("div");
    this.#track.className = "track";
    box.append(this.#track);
    new ResizeObserver(() => this.#measure()).observe(box);
    this.#measure();
  }

  /** Puts a tick, or changes the one of that key. */
  set(key: string, state: TickState, atMs: number): void {
    let tick = this.#ticks.get(key);
    if (tick === undefined) {
      tick = { element: document.createElement("i"), atMs };
      this.#ticks.set(key, tick);
      tick.element.style.left = `${this.#x(atMs)}px`;
      this.#track.append(tick.element);
      this.#prune();
    }
    tick.element.className = state;
    this.#move();
  }

  /** Changes a tick that may be gone already. */
  mark(key: string, state: TickState): void {
    const tick = this.#ticks.get(key);
    if (tick !== undefined) tick.element.className = state;
  }

  /** The connection is away from here on. */
  openBand(fromMs: number): void {
    if (this.#bands.at(-1)?.toMs === null) return;
    const element = document.createElement("div");
    element.className = "band";
    this.#track.prepend(element);
    this.#bands.push({ element, fromMs, toMs: null });
    this.#move();
  }

  closeBand(toMs: number): void {
    const band = this.#bands.at(-1);
    if (band !== undefined && band.toMs === null) band.toMs = toMs;
    this.#layBands(toMs);
  }

  clear(): void {
    this.#ticks.clear();
    this.#bands = this.#bands.filter((band) => band.toMs === null);
    this.#track.replaceChildren(...this.#bands.map((band) => band.element));
  }

  #measure(): void {
    this.#widthPx = this.#box.clientWidth;
    this.#frame();
  }

  #x(atMs: number): number {
    return ((atMs - this.#originMs) / 1000) * PX_PER_S;
  }

  #move(): void {
    if (this.#isMoving) return;
    this.#isMoving = true;
    this.#schedule();
  }

  #schedule(): void {
    const step = () => {
      this.#frame();
      if (this.#ticks.size > 0 || this.#bands.length > 0) this.#schedule();
      else this.#isMoving = false;
    };
    if (this.#isCalm) window.setTimeout(step, 1000);
    else requestAnimationFrame(step);
  }

  #frame(): void {
    const nowMs = Date.now();
    this.#track.style.transform = `translateX(${this.#widthPx - this.#x(nowMs)}px)`;
    this.#layBands(nowMs);
    this.#forget(nowMs - (this.#widthPx / PX_PER_S) * 1000);
  }

  #layBands(nowMs: number): void {
    for (const band of this.#bands) {
      const left = this.#x(band.fromMs);
      band.element.style.left = `${left}px`;
      band.element.style.width = `${Math.max(2, this.#x(band.toMs ?? nowMs) - left)}px`;
    }
  }

  #forget(beforeMs: number): void {
    for (const [key, tick] of this.#ticks) {
      if (tick.atMs >= beforeMs) continue;
      tick.element.remove();
      this.#ticks.delete(key);
    }
    for (const band of this.#bands) {
      if (band.toMs !== null && band.toMs < beforeMs) band.element.remove();
    }
    this.#bands = this.#bands.filter((band) => band.toMs === null || band.toMs >= beforeMs);
  }

  #prune(): void {
    if (this.#ticks.size <= TICKS_MAX) return;
    const [oldest] = this.#ticks;
    if (oldest === undefined) return;
    oldest[1].element.remove();
    this.#ticks.delete(oldest[0]);
  }
}
