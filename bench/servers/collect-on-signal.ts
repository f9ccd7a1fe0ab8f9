/**
 * Loaded before a server under test (`--import`, with `--expose-gc`): SIGUSR2 collects garbage.
 *
 * Twice, since the first collection only finds what finalizers free. Part of the bench alone.
 */
process.on("SIGUSR2", () => {
  globalThis.gc?.();
  setImmediate(() => {
    globalThis.gc?.();
    process.stdout.write("collected\n");
  });
});
