/**
 * This process as /health shows it.
 */
import type { ProcessFacts } from "./health.ts";

/** Now. */
export function readProcess(): ProcessFacts {
  return {
    memory: process.memoryUsage(),
    uptimeS: process.uptime(),
    nodeVersion: process.versions.node,
  };
}
