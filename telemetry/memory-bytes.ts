/**
 * How much memory this process may occupy.
 */
import { totalmem } from "node:os";
import { constrainedMemory } from "node:process";

/** Bytes. @param memoryMibMax as an option sets it; 0: what its cgroup or the machine has. */
export function memoryBytesMax(memoryMibMax: number): number {
  if (memoryMibMax > 0) return memoryMibMax * 1024 ** 2;
  const bound = constrainedMemory();
  return bound > 0 && bound < totalmem() ? bound : totalmem();
}
