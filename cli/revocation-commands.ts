/**
 * `tidegatectl revocations`: revokes tokens of clients, and shows what is revoked.
 */
import type { Revocation } from "../proto/gen/tidegate/control/v1/revocation.ts";
import { RevocationServiceClient } from "../proto/gen/tidegate/control/v1/revocation_service.ts";
import { revocationName } from "../proto/revocation.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { formatSpan } from "./human-units.ts";
import { formatOutput } from "./output.ts";
import { pages, present } from "./pages.ts";
import { formatTable } from "./table.ts";
import { tenantParent } from "./tenant.ts";

/** Revocations asked for at once. */
const pageSize = 1000;

/** A revocation as printed with `-o json`. */
export interface RevocationText {
  readonly name: string;
  readonly tokenId: string;
  readonly user: string;
  readonly issuedBefore: string | null;
  readonly expireTime: string | null;
  readonly reason: string;
  readonly createTime: string | null;
  readonly etag: string;
}

/** What `revocations create` says. */
export interface RevocationWish {
  readonly id: string;
  readonly tokenId: string;
  readonly user: string;
  readonly issuedBefore: Date | undefined;
  readonly ttlMs: number | undefined;
  readonly reason: string;
  readonly isDryRun: boolean;
}

/** `revocations list`. */
export async function listRevocations(
  context: Context,
  target: Target,
  format: OutputFormat,
): Promise<void> {
  const parent = tenantParent(target);
  const found = await withClient(target.control, RevocationServiceClient, (client) =>
    pages(async (pageToken) => {
      const page = await call(client, client.listRevocations, { parent, pageSize, pageToken });
      return { items: page.revocations, next: page.nextPageToken };
    }),
  );
  await print(context, formatOutput(format, found.map(revocationText), revocationTable));
}

/** `revocations get`. */
export async function getRevocation(
  context: Context,
  target: Target,
  id: string,
  format: OutputFormat,
): Promise<void> {
  tenantParent(target);
  const name = revocationName(target.tenant, id);
  const { revocation } = await withClient(target.control, RevocationServiceClient, (client) =>
    call(client, client.getRevocation, { name }),
  );
  await printRevocation(context, present(revocation), format);
}

/** `revocations create`. */
export async function createRevocation(
  context: Context,
  target: Target,
  { id, tokenId, user, issuedBefore, ttlMs, reason, isDryRun }: RevocationWish,
  format: OutputFormat,
): Promise<void> {
  const parent = tenantParent(target);
  const expireTime = ttlMs === undefined ? undefined : new Date(Date.now() + ttlMs);
  const given: Revocation = {
    ...{ name: "", tokenId, user, issuedBefore, expireTime, reason },
    ...{ createTime: undefined, etag: "" },
  };
  const { revocation } = await withClient(target.control, RevocationServiceClient, (client) =>
    call(client, client.createRevocation, {
      ...{ parent, revocationId: id, revocation: given, validateOnly: isDryRun },
      requestId: crypto.randomUUID(),
    }),
  );
  await printRevocation(context, present(revocation), format);
  if (isDryRun && format === "table") await print(context, "nothing was changed (--dry-run)\n");
}

/** `revocations delete`. */
export async function deleteRevocation(
  context: Context,
  target: Target,
  id: string,
  { etag, isDryRun }: { etag: string; isDryRun: boolean },
): Promise<void> {
  tenantParent(target);
  const name = revocationName(target.tenant, id);
  await withClient(target.control, RevocationServiceClient, (client) =>
    call(client, client.deleteRevocation, {
      ...{ name, etag, validateOnly: isDryRun },
      requestId: crypto.randomUUID(),
    }),
  );
  await print(context, isDryRun ? `${id}: would be taken back\n` : `${id}: taken back\n`);
}

async function printRevocation(
  context: Context,
  revocation: Revocation,
  format: OutputFormat,
): Promise<void> {
  const text = revocationText(revocation);
  await print(
    context,
    formatOutput(format, text, (each) => revocationTable([each])),
  );
}

function revocationText(revocation: Revocation): RevocationText {
  const { name, tokenId, user, reason, etag } = revocation;
  return {
    name: name.slice(name.lastIndexOf("/") + 1),
    ...{ tokenId, user },
    issuedBefore: revocation.issuedBefore?.toISOString() ?? null,
    expireTime: revocation.expireTime?.toISOString() ?? null,
    reason,
    createTime: revocation.createTime?.toISOString() ?? null,
    etag,
  };
}

function revocationTable(revocations: readonly RevocationText[]): string {
  const nowMs = Date.now();
  const rows = revocations.map((each) => [
    each.name,
    each.tokenId || "-",
    each.user || "-",
    each.issuedBefore?.replace(".000", "") ?? "-",
    each.expireTime === null ? "-" : formatSpan(Date.parse(each.expireTime) - nowMs),
    each.reason || "-",
  ]);
  return formatTable([["NAME", "TOKEN", "USER", "ISSUED BEFORE", "ENDS IN", "REASON"], ...rows]);
}
