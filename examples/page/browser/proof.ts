/**
 * The panel that proves it: ledger, timeline, counters and the sentence that sums them up.
 */
import type { RoomMessage } from "../../../sdk/typescript/index.ts";
import type { Came } from "./chat-list.ts";
import { ClockOffset } from "./clock-offset.ts";
import { Ledger, type LedgerCounts, ledgerKey } from "./ledger.ts";
import type { Payload } from "./payload.ts";
import { type Tale, tellTale } from "./story.ts";
import { Strip } from "./strip.ts";

/** After a return, wait this long before reading the outcome aloud: the counts are still moving. */
const TELL_AFTER_MS = 900;

/** Where the panel is in the page. */
export interface ProofElements {
  readonly strip: HTMLElement;
  readonly story: HTMLElement;
  /** One element for each counter. */
  readonly counters: Readonly<Record<keyof LedgerCounts, HTMLElement>>;
  /** Carries the class "durable" or "ephemeral". */
  readonly panel: HTMLElement;
}

export class Proof {
  readonly #elements: ProofElements;
  readonly #announce: (text: string) => void;
  readonly #strip: Strip;
  readonly #offset = new ClockOffset();
  #ledger = new Ledger();
  #isDurable = true;
  #awaySinceMs: number | null = null;
  #backAtMs: number | null = null;
  #awayMs = 0;
  #atCut: LedgerCounts = this.#ledger.counts;
  #foreignCount = 0;
  #isDrawing = false;

  /** @param announce says a sentence to who can not see the panel. */
  constructor(elements: ProofElements, isCalm: boolean, announce: (text: string) => void) {
    this.#elements = elements;
    this.#announce = announce;
    this.#strip = new Strip(elements.strip, isCalm);
  }

  /** Another room: the count starts anew. */
  reset(isDurable: boolean): void {
    this.#ledger = new Ledger();
    this.#atCut = this.#ledger.counts;
    this.#isDurable = isDurable;
    this.#backAtMs = null;
    this.#elements.panel.classList.toggle("ephemeral", !isDurable);
    this.#strip.clear();
    this.#draw();
  }

  onAway(): void {
    if (this.#awaySinceMs !== null) return;
    this.#awaySinceMs = Date.now();
    this.#atCut = this.#ledger.counts;
    this.#strip.openBand(this.#awaySinceMs);
    this.#announce("The connection is cut.");
    this.#draw();
  }

  onBack(): void {
    if (this.#awaySinceMs === null) return;
    this.#backAtMs = Date.now();
    this.#awayMs = this.#backAtMs - this.#awaySinceMs;
    this.#awaySinceMs = null;
    this.#strip.closeBand(this.#backAtMs);
    window.setTimeout(() => this.#announce(tellTale(this.#tale(), Date.now())), TELL_AFTER_MS);
    this.#draw();
  }

  /** A publisher of this page has its acknowledgement. */
  onSent(from: string, n: number, atMs: number): void {
    if (this.#ledger.onSent(from, n, atMs)) this.#strip.set(ledgerKey(from, n), "sent", atMs);
    this.#draw();
  }

  /** A message came through the loop over the room. */
  onMessage(message: RoomMessage<Payload>): Came {
    const nowMs = Date.now();
    const sentMs = message.sentAt.getTime();
    this.#offset.observe(sentMs, nowMs);
    const { from, n } = this.#nameOf(message);
    const waitingSinceMs = this.#ledger.waitingSinceMs(from, n);
    const sentAtMs = Math.min(nowMs, waitingSinceMs ?? this.#offset.toLocalMs(sentMs));
    const isRecovered = this.#backAtMs !== null && sentAtMs < this.#backAtMs;
    const { arrival, overtaken } = this.#ledger.onArrived(from, n, isRecovered);
    const came = isRecovered ? "recovered" : "live";
    this.#strip.set(ledgerKey(from, n), arrival === "doubled" ? "doubled" : came, sentAtMs);
    for (const key of overtaken) this.#strip.mark(key, "missing");
    this.#draw();
    return came;
  }

  onGap(): void {
    const lost = this.#ledger.loseBefore(this.#backAtMs ?? Date.now());
    for (const key of lost) this.#strip.mark(key, "missing");
    this.#draw();
  }

  #nameOf({ payload, position }: RoomMessage<Payload>): { from: string; n: number } {
    if (payload.kind !== "foreign") return payload;
    this.#foreignCount += 1;
    return { from: `foreign ${position ?? this.#foreignCount}`, n: 1 };
  }

  #tale(): Tale {
    const counts = this.#ledger.counts;
    if (this.#awaySinceMs !== null) {
      return { at: "away", sinceMs: this.#awaySinceMs, waiting: counts.waiting };
    }
    if (this.#backAtMs === null) return { at: "calm", isDurable: this.#isDurable };
    return {
      at: "back",
      awayMs: this.#awayMs,
      isDurable: this.#isDurable,
      recovered: counts.recovered - this.#atCut.recovered,
      missing: counts.missing - this.#atCut.missing,
      doubled: counts.doubled - this.#atCut.doubled,
      outOfOrder: counts.outOfOrder - this.#atCut.outOfOrder,
    };
  }

  /** At most once a frame, however many messages came; while away, on every frame for the clock. */
  #draw(): void {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      const { story, counters } = this.#elements;
      const { counts } = this.#ledger;
      for (const [name, value] of Object.entries(counts) as [keyof LedgerCounts, number][]) {
        setText(counters[name], String(value));
        counters[name].classList.toggle("some", value > 0);
      }
      setText(story, tellTale(this.#tale(), Date.now()));
      if (this.#awaySinceMs !== null) this.#draw();
    });
  }
}

function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
