/**
 * A real NATS for one test file or one test: started in a temporary folder, ended with its
 * processes and files.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../deploy/nats/find-server.ts";

/** A NATS under test; `stop` also removes its folder. */
export interface TestNats extends NatsCluster {
  /** Holds a folder for each node. */
  readonly folder: string;
}

/**
 * Starts it.
 *
 * @param lines of configuration that every node starts from.
 * @param binary instead of the one that is found.
 */
export async function startTestNats(
  count: 1 | 3,
  lines = "",
  binary = testNatsServer(),
): Promise<TestNats> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-nats-"));
  const base = path.join(folder, "base.conf");
  writeFileSync(base, lines);
  const nats = await startNats(binary, folder, count, lines === "" ? {} : { base });
  return {
    ...nats,
    folder,
    stop: async () => {
      await nats.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Path of the nats-server that tests run. */
export function testNatsServer(): string {
  return findNatsServer(process.env.NATS_SERVER ?? "", console.error);
}
