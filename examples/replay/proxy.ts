/**
 * A TCP proxy in front of the server: what is cut here is cut for real, by a reset on both sides,
 * with whatever was on its way lost.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to the server that can be cut. */
export interface Way {
  /** Where clients connect, on 127.0.0.1. */
  readonly port: number;
  /** Resets all connections, and for `awayMs` new ones as well. Returns how many were cut. */
  cut(awayMs: number): number;
  close(): Promise<void>;
}

/** Opens a proxy on a free port; `targetPort` is asked for each connection. */
export async function openProxy(targetPort: () => number): Promise<Way> {
  const sockets = new Set<Socket>();
  let awayUntilMs = 0;
  const server = createServer((client) => {
    if (performance.now() < awayUntilMs) {
      client.on("error", () => client.destroy());
      client.resetAndDestroy();
      return;
    }
    const target = connect(targetPort(), "127.0.0.1");
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => to.destroy()); // a killed server, or a cut: both sides end
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut(awayMs) {
      const count = sockets.size / 2;
      awayUntilMs = performance.now() + awayMs;
      reset();
      return count;
    },
    async close() {
      reset();
      server.close();
      await once(server, "close");
    },
  };
}
