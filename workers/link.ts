/**
 * What a child and its parent tell each other: a child says over the IPC channel of its process
 * that it is ready; a parent says nothing, and its death closes the channel.
 */

/** A child listens. */
export interface ChildReady {
  readonly type: "ready";
  /** Port of clients; null for a control plane. */
  readonly port: number | null;
  /** "host:port" of gRPC; null for a worker. */
  readonly grpc: string | null;
  /** Where messages are kept, for people. */
  readonly store: string;
  /** Private port on loopback of /livez, /readyz and /health. */
  readonly adminPort: number;
}

/** Whether a message of the channel is a child's, complete. */
export function isChildReady(message: unknown): message is ChildReady {
  const ready = message as Partial<ChildReady> | null;
  return ready?.type === "ready" && typeof ready.adminPort === "number";
}

/** Tells the parent; when it is gone already, the end of the channel says so. */
export function tellParent(ready: ChildReady): void {
  if (process.connected) process.send?.(ready);
}

/** Calls `onGone` when the parent has ended, or ends: nobody would ever stop this process. */
export function followParent(onGone: () => void): void {
  process.on("disconnect", onGone);
  if (!process.connected) onGone();
}
