/**
 * `tidegatectl audit`: who changed what, and what was refused.
 */
import { AuditServiceClient } from "../proto/gen/tidegate/control/v1/audit_service.ts";
import { auditTable, auditText } from "./audit-text.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { formatOutput } from "./output.ts";
import { pages } from "./pages.ts";

/** What is asked for. */
export interface AuditOptions {
  readonly format: OutputFormat;
  readonly resource: string;
  readonly principal: string;
  readonly method: string;
  readonly since: Date | undefined;
  readonly until: Date | undefined;
  readonly isRefusedOnly: boolean;
  /** Entries at most. */
  readonly countMax: number;
}

/** Entries of one call at most; the control plane lowers it to its own maximum. */
const pageSizeMax = 500;

/** Prints entries, newest first. */
export async function showAudit(
  context: Context,
  target: Target,
  options: AuditOptions,
): Promise<void> {
  const { resource, principal, method, countMax } = options;
  const filter = {
    ...{ resource, principal, method, refusedOnly: options.isRefusedOnly },
    ...{ startTime: options.since, endTime: options.until },
  };
  await withClient(target.control, AuditServiceClient, async (client) => {
    const entries = await pages(async (pageToken, countLeft) => {
      const request = { ...filter, pageSize: Math.min(countLeft, pageSizeMax), pageToken };
      const page = await call(client, client.listAuditEntries, request);
      return { items: page.auditEntries, next: page.nextPageToken };
    }, countMax);
    await print(context, formatOutput(options.format, entries.map(auditText), auditTable));
  });
}
