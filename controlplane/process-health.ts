/**
 * What /readyz and /health say of a process that runs a control plane alone. Pure.
 *
 * With a gateway in the same process its health is told instead. gRPC has its own, in
 * health-service.ts.
 */

/** What is known of the process. */
export interface ControlProcessFacts {
  readonly isStopping: boolean;
  readonly bus: { readonly isConnected: boolean; readonly detail: string };
  /** Version of Tidegate, and of Node without "v". */
  readonly version: string;
  readonly nodeVersion: string;
  readonly rssBytes: number;
  /** Since it started, seconds. */
  readonly uptimeS: number;
}

/** The JSON of /health; ready is who is "ok" alone. */
export function decideControlHealth(facts: ControlProcessFacts) {
  const { isStopping, bus, version, nodeVersion, rssBytes, uptimeS } = facts;
  const status = isStopping ? "stopping" : bus.isConnected ? "ok" : "degraded";
  return {
    status,
    ready: { bus: bus.isConnected, not_stopping: !isStopping },
    version,
    versions: { tidegate: version, node: nodeVersion },
    uptime_s: Math.round(uptimeS * 10) / 10,
    memory: { rss_bytes: rssBytes },
    bus: { connected: bus.isConnected, detail: bus.detail },
  };
}
