/**
 * The tenant of the command line, as the control plane names it.
 */
import { isTenantName } from "../proto/room-name.ts";
import type { Target } from "./context.ts";
import { usageError } from "./failure.ts";

/** "tenants/{tenant}". @throws {Failure} `OPTION_INVALID`. */
export function tenantParent(target: Target): string {
  if (isTenantName(target.tenant)) return `tenants/${target.tenant}`;
  const text = `--tenant ${JSON.stringify(target.tenant)} is no tenant`;
  throw usageError(text, "A tenant is [a-z0-9][a-z0-9-]{0,62}.");
}
