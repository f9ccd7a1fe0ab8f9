/**
 * Nodes that form one system: a single server, or a cluster of three with JetStream.
 */
import path from "node:path";
import { freePorts, NatsNode, type NodeOptions } from "./node.ts";

/** Running nodes. */
export interface NatsCluster {
  readonly nodes: readonly NatsNode[];
  /** URLs of all nodes. */
  readonly urls: string[];
  /** Ends every node. */
  stop(): Promise<void>;
}

/**
 * Starts `count` nodes on free ports below `folder`.
 *
 * @param settings what every node starts with: `base`, `args`, `syncInterval`.
 */
export async function startNats(
  binary: string,
  folder: string,
  count: 1 | 3,
  settings: Pick<NodeOptions, "base" | "args" | "syncInterval"> = {},
): Promise<NatsCluster> {
  const free = await freePorts(count * 2);
  const [ports, routes] = [free.slice(0, count), free.slice(count)];
  const nodes = ports.map((port, i) => {
    const name = `n${i}`;
    const alone = { binary, name, port, folder: path.join(folder, name), ...settings };
    const cluster = { name: "tidegate", port: routes[i] ?? 0, routes };
    return new NatsNode(count === 1 ? alone : { ...alone, cluster });
  });
  await Promise.all(nodes.map((node) => node.start()));
  return {
    nodes,
    urls: nodes.map((node) => node.url),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}
