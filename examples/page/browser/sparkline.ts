/**
 * The last round trips as a line; its scale is the largest of them, and never less than 5 ms, so
 * that a steady way looks steady.
 */

const SVG = "http://www.w3.org/2000/svg";
const POINTS_MAX = 30;
const SCALE_LEAST_MS = 5;

export class Sparkline {
  readonly #line: SVGElement;
  readonly #width: number;
  readonly #height: number;
  #values: (number | null)[] = [];

  /** @param box an svg element with a viewBox. */
  constructor(box: SVGSVGElement) {
    this.#width = box.viewBox.baseVal.width;
    this.#height = box.viewBox.baseVal.height;
    this.#line = document.createElementNS(SVG, "path");
    box.append(this.#line);
  }

  /** Adds a round trip, milliseconds; null breaks the line. */
  add(roundTripMs: number | null): void {
    this.#values = [...this.#values, roundTripMs].slice(-POINTS_MAX);
    const top = Math.max(SCALE_LEAST_MS, ...this.#values.map((value) => value ?? 0));
    const first = POINTS_MAX - this.#values.length;
    let isBroken = true;
    let path = "";
    for (const [at, value] of this.#values.entries()) {
      if (value !== null) {
        const x = ((first + at) / (POINTS_MAX - 1)) * this.#width;
        const y = this.#height - 1 - (value / top) * (this.#height - 2);
        path += `${isBroken ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}h0`;
      }
      isBroken = value === null;
    }
    this.#line.setAttribute("d", path);
  }
}
