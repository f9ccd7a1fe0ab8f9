/**
 * `tidegatectl limits`: reads and changes the limits of a tenant.
 */
import { type Limit, OutagePolicy } from "../proto/gen/tidegate/control/v1/limit.ts";
import { LimitServiceClient } from "../proto/gen/tidegate/control/v1/limit_service.ts";
import { isLimitName, isQuotaName, type LimitName, limitName } from "../proto/limits.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { formatOutput } from "./output.ts";
import { formatTable } from "./table.ts";
import { tenantParent } from "./tenant.ts";

/** A limit as printed with `-o json`. */
export interface LimitText {
  readonly name: string;
  /** 0: no limit. */
  readonly value: number;
  readonly used: number;
  readonly onOutage: string;
  readonly etag: string;
  readonly updateTime: string | null;
}

/** What `limits set` says. */
export interface SetWish {
  readonly value: number;
  readonly onOutage: string | undefined;
  readonly allowBelowUse: boolean;
  readonly etag: string;
  readonly isDryRun: boolean;
}

/** `limits list`. */
export async function listLimits(
  context: Context,
  target: Target,
  format: OutputFormat,
): Promise<void> {
  const parent = tenantParent(target);
  const { limits } = await withClient(target.control, LimitServiceClient, (client) =>
    call(client, client.listLimits, { parent, pageSize: 0, pageToken: "" }),
  );
  await print(context, formatOutput(format, limits.map(limitText), limitTable));
}

/** `limits get`. */
export async function getLimit(
  context: Context,
  target: Target,
  limit: LimitName,
  format: OutputFormat,
): Promise<void> {
  const { limit: found } = await withClient(target.control, LimitServiceClient, (client) =>
    call(client, client.getLimit, { name: limitName(target.tenant, limit) }),
  );
  await printLimit(context, found, format);
}

/** `limits set`. */
export async function setLimit(
  context: Context,
  target: Target,
  limit: LimitName,
  wish: SetWish,
  format: OutputFormat,
): Promise<void> {
  const { onOutage, allowBelowUse, etag, isDryRun } = wish;
  const policies = { "fail-open": OutagePolicy.FAIL_OPEN, "fail-closed": OutagePolicy.FAIL_CLOSED };
  const outagePolicy = policies[onOutage as keyof typeof policies] ?? OutagePolicy.UNSPECIFIED;
  const given: Limit = {
    ...{ name: limitName(target.tenant, limit), value: BigInt(wish.value), outagePolicy, etag },
    ...{ updateTime: undefined, used: 0n },
  };
  const { limit: set } = await withClient(target.control, LimitServiceClient, (client) =>
    call(client, client.updateLimit, {
      ...{ limit: given, updateMask: undefined, validateOnly: isDryRun, allowBelowUse },
      requestId: crypto.randomUUID(),
    }),
  );
  await printLimit(context, set, format);
  if (isDryRun && format === "table") await print(context, "nothing was changed (--dry-run)\n");
}

/** `limits unset`. */
export async function unsetLimit(
  context: Context,
  target: Target,
  limit: LimitName,
  { etag, isDryRun }: { etag: string; isDryRun: boolean },
): Promise<void> {
  const name = limitName(target.tenant, limit);
  await withClient(target.control, LimitServiceClient, (client) =>
    call(client, client.deleteLimit, {
      ...{ name, etag, validateOnly: isDryRun },
      requestId: crypto.randomUUID(),
    }),
  );
  await print(context, isDryRun ? `${limit}: would have no limit\n` : `${limit}: no limit\n`);
}

async function printLimit(
  context: Context,
  limit: Limit | undefined,
  format: OutputFormat,
): Promise<void> {
  if (limit === undefined) return;
  const text = limitText(limit);
  await print(
    context,
    formatOutput(format, text, (each) => limitTable([each])),
  );
}

function limitText(limit: Limit): LimitText {
  return {
    name: limit.name.slice(limit.name.lastIndexOf("/") + 1),
    value: Number(limit.value),
    used: Number(limit.used),
    onOutage: limit.outagePolicy === OutagePolicy.FAIL_OPEN ? "fail-open" : "fail-closed",
    etag: limit.etag,
    updateTime: limit.updateTime?.toISOString() ?? null,
  };
}

function limitTable(limits: readonly LimitText[]): string {
  const rows = limits.map(({ name, value, used, onOutage }) => {
    if (value === 0) return [name, "none", "-", "-"];
    const isQuota = isLimitName(name) && isQuotaName(name);
    const isCounted = isQuota || name === "stored-bytes";
    return [name, String(value), isCounted ? String(used) : "-", isQuota ? onOutage : "-"];
  });
  return formatTable([["LIMIT", "VALUE", "USED", "ON OUTAGE"], ...rows]);
}
