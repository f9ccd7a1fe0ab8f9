/**
 * Sends clients that find this gateway full, or draining, to one that has room, and remembers whom
 * it sent where: the others say how full they are only every few seconds.
 */
import type { Connection } from "../connection.ts";
import type { Directory } from "../drain/directory.ts";
import { FACTS_MS } from "../drain/read-every.ts";
import { SentCounts } from "../drain/sent-counts.ts";
import type { Sender } from "../sender.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { decideRedirect } from "./redirect.ts";

export class Redirects {
  readonly #directory: Directory;
  readonly #region: string;
  readonly #sent = new SentCounts();

  constructor(directory: Directory, region: string) {
    this.#directory = directory;
    this.#region = region;
  }

  /** Tells a client that is about to be closed where there is room, if that is known. */
  tell(sender: Pick<Sender, "send">, connection: Connection): void {
    const value = { target: this.#next(), delayMs: 0 };
    if (value.target === "") return;
    sender.send(connection, encodeServerFrame({ $case: "redirect", value }));
  }

  /** Address of a gateway with room, which then counts one more; "" when none is known. */
  #next(): string {
    void this.#directory.refresh(FACTS_MS); // never rejects; for those who come next
    const { peers } = this.#directory;
    this.#sent.follow(peers);
    const target = decideRedirect(peers, this.#region, this.#sent.all, Math.random());
    if (target === null) return "";
    this.#sent.add(target.id, peers);
    return target.url;
  }
}
