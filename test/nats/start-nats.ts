/**
 * A real NATS for one test file or one test: started in a temporary folder, ended with its
 * processes and files.
 */
import { mkdtempSync, rmSync } from "node:fs";
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
 * @param base configuration file to start from, as nats-server reads it.
 */
export async function startTestNats(count: 1 | 3, base?: string): Promise<TestNats> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-nats-"));
  const binary = findNatsServer(process.env.NATS_SERVER ?? "", console.error);
  const nats = await startNats(binary, folder, count, base === undefined ? {} : { base });
  return {
    ...nats,
    folder,
    stop: async () => {
      await nats.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
