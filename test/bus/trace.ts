/**
 * Reads the output of `strace -f -y` and judges when acks left. Pure.
 */

/** What a trace shows. */
export interface TraceVerdict {
  readonly ackCount: number;
  /** Seqs of acks that left before their message was on the disk. */
  readonly early: readonly number[];
  /** Syncs of the log that succeeded. */
  readonly syncCount: number;
}

/**
 * Judges a trace: for every "ack … <seq> …" line written, the log file must have been written with
 * `<producer:seq>` in it, and a sync of that file that began after the write must have ended well.
 *
 * @param logName end of the log file's path.
 */
export function judgeTrace(trace: string, producer: string, logName: string): TraceVerdict {
  const early: number[] = [];
  let ackCount = 0;
  let syncCount = 0;
  const written = new Set<number>();
  const synced = new Set<number>();
  /** By thread: what was written when its sync began. */
  const syncing = new Map<string, number[]>();
  const marks = new RegExp(`<${producer}:(\\d+)>`, "g");
  for (const line of trace.split("\n")) {
    const [, thread = "", call = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const isOfLog = call.includes(`${logName}>`);
    if (/^p?writev?(64)?\(/.test(call) && isOfLog) {
      for (const [, seq] of call.matchAll(marks)) written.add(Number(seq));
    } else if (/^f(data)?sync\(/.test(call) && isOfLog) {
      syncing.set(thread, [...written]);
    }
    const isSyncEnd = /^(f(data)?sync\(|<\.\.\. f(data)?sync resumed>).*= 0$/.test(call);
    if (isSyncEnd && syncing.has(thread)) {
      syncCount += 1;
      for (const seq of syncing.get(thread) ?? []) synced.add(seq);
    }
    if (/= -?\d/.test(call) && /f(data)?sync/.test(call)) syncing.delete(thread);
    const ack = /^write\(\d+<[^>]*>, "ack \d+ (\d+) /.exec(call);
    if (ack === null) continue;
    ackCount += 1;
    if (!synced.has(Number(ack[1]))) early.push(Number(ack[1]));
  }
  return { ackCount, early, syncCount };
}
