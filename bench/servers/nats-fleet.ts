/**
 * The nats-servers of a bench: one, or a cluster of three, in a folder of their own.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { cpuTime } from "../proc.ts";

/** What Tidegate needs to know to use them. */
export interface NatsTarget {
  readonly urls: readonly string[];
  /** Copies of each stream: as many as there are servers. */
  readonly replicaCount: number;
}

/** How long JetStream may keep what it acknowledged out of the disk; its own default. */
const SYNC_INTERVAL_DEFAULT = "2m";

export class NatsFleet {
  readonly target: NatsTarget;
  readonly #cluster: NatsCluster;
  readonly #folder: string;

  private constructor(cluster: NatsCluster, folder: string) {
    this.#cluster = cluster;
    this.#folder = folder;
    this.target = { urls: cluster.urls, replicaCount: cluster.nodes.length };
  }

  /**
   * Starts servers.
   *
   * @param binary value of $NATS_SERVER; empty to look for one.
   * @param sync "always" as production must, or "default": every two minutes.
   */
  static async start(
    binary: string,
    count: 1 | 3,
    sync: "always" | "default" = "always",
  ): Promise<NatsFleet> {
    const file = findNatsServer(binary, (line) => process.stderr.write(`${line}\n`));
    const folder = await mkdtemp(path.join(tmpdir(), "tidegate-bench-nats-"));
    const syncInterval = sync === "always" ? "always" : SYNC_INTERVAL_DEFAULT;
    try {
      return new NatsFleet(await startNats(file, folder, count, { syncInterval }), folder);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** CPU time of all servers since they started, microseconds. */
  cpuUs(): number {
    let sum = 0;
    for (const { pid } of this.#cluster.nodes) {
      if (pid === null) continue;
      const { userUs, systemUs } = cpuTime(pid);
      sum += userUs + systemUs;
    }
    return sum;
  }

  /** Ends them and removes their stores. */
  async stop(): Promise<void> {
    await this.#cluster.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
