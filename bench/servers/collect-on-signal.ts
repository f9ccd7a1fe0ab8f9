/**
 * Loaded before a server under test (`--import`, with `--expose-gc`): SIGUSR2 collects garbage.
 *
 * "last-resort" also gives back the pages that the young generation grew to, which would otherwise
 * be most of what differs between two runs. Twice, since the first finds what finalizers free.
 */
process.on("SIGUSR2", () => {
  collect();
  setImmediate(() => {
    collect();
    process.stdout.write(`collected ${process.memoryUsage().heapUsed}\n`);
  });
});

function collect(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}
