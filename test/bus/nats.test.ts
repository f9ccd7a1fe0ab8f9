/**
 * The bus's contract on NATS, a single server and a cluster of three: real nats-servers.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { busContract } from "./contract.ts";

for (const count of [1, 3] as const) {
  describe(`${count} nodes`, () => {
    const folder = mkdtempSync(path.join(tmpdir(), "tidegate-nats-"));
    let cluster: NatsCluster;
    let busCount = 0;

    beforeAll(async () => {
      const binary = findNatsServer(process.env.NATS_SERVER ?? "", console.error);
      cluster = await startNats(binary, folder, count);
    }, 120_000);

    afterAll(async () => {
      await cluster?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    busContract(count === 1 ? "nats" : "nats cluster", () => {
      busCount += 1;
      const name = `t${process.pid}-${busCount}`;
      return openNatsBus({ servers: cluster.urls, name, replicaCount: count });
    });
  });
}
