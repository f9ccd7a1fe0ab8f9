/**
 * `tidegatectl explain`: asks, and says the answer.
 */
import { ExplainEnd, ExplainVerdict } from "../proto/gen/tidegate/control/v1/explain.ts";
import {
  type ExplainResponse,
  ExplainServiceClient,
} from "../proto/gen/tidegate/control/v1/explain_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { formatBytes } from "./human-units.ts";
import { formatOutput } from "./output.ts";
import { formatTable } from "./table.ts";
import { tenantParent } from "./tenant.ts";

/** What is asked. */
export interface ExplainWish {
  readonly room: string;
  readonly user: string;
  readonly message: string;
  readonly since: Date | undefined;
}

/** An answer as printed with `-o json`. */
export type ExplainText = ReturnType<typeof explainText>;

/** `explain`. */
export async function explainUser(
  context: Context,
  target: Target,
  wish: ExplainWish,
  format: OutputFormat,
): Promise<void> {
  const parent = tenantParent(target);
  const answer = await withClient(target.control, ExplainServiceClient, (client) =>
    call(client, client.explain, { parent, ...wish }),
  );
  await print(context, formatOutput(format, explainText(answer), explainPage));
}

function explainText(answer: ExplainResponse) {
  const { coverage, verdict } = answer;
  return {
    verdict: nameOf(ExplainVerdict, verdict),
    answer: answer.answer,
    reasons: answer.reasons,
    memberships: answer.memberships.map((each) => ({
      connection: each.connection,
      gateway: withoutPrefix(each.gateway),
      joinTime: timeText(each.joinTime),
      from: each.from,
      through: each.through,
      end: nameOf(ExplainEnd, each.end),
      endTime: timeText(each.endTime),
      endReason: each.endReason,
    })),
    events: answer.events.map(({ time, gateway, connection, kind, text }) => ({
      ...{ time: timeText(time), gateway: withoutPrefix(gateway), connection, kind, text },
    })),
    settings: answer.settings.map(({ kind, name, value, reason }) => ({
      ...{ kind, name, value, reason },
    })),
    coverage: {
      from: timeText(coverage?.from),
      to: timeText(coverage?.to),
      droppedCount: Number(coverage?.droppedCount ?? 0),
      bytes: Number(coverage?.bytes ?? 0),
      bytesMax: Number(coverage?.bytesMax ?? 0),
      silentGateways: coverage?.silentGateways ?? [],
    },
    unknowns: answer.unknowns,
  };
}

function explainPage(text: ExplainText): string {
  const { coverage, memberships, events, settings } = text;
  const { from, to, droppedCount, bytes, bytesMax } = coverage;
  const journal =
    from === null
      ? "no journal"
      : `the journal from ${from} to ${to}, ${droppedCount} records dropped, ` +
        `${formatBytes(bytes)} of ${formatBytes(bytesMax)}`;
  const parts = [
    `${text.answer}\n`,
    section("Because", list(text.reasons)),
    section("Memberships", membershipTable(memberships)),
    section("What happened", eventTable(events)),
    section("In force now", settingTable(settings)),
    section("Not known", list(text.unknowns)),
    `Looked at: ${journal}.\n`,
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function section(title: string, body: string): string {
  return body === "" ? "" : `${title}:\n${body}`;
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}\n`).join("");
}

function membershipTable(memberships: ExplainText["memberships"]): string {
  if (memberships.length === 0) return "";
  const rows = memberships.map((each) => {
    const ended = each.end === "NONE" ? "lasts" : `${each.end} ${each.endReason}`.trim();
    const times = [each.joinTime ?? "-", each.endTime ?? "-"];
    return [each.connection, each.gateway, ...times, ended, each.from || "-", each.through || "-"];
  });
  const head = ["CONNECTION", "GATEWAY", "JOINED", "UNTIL", "END", "FROM", "THROUGH"];
  return formatTable([head, ...rows]);
}

function eventTable(events: ExplainText["events"]): string {
  if (events.length === 0) return "";
  return formatTable(
    events.map(({ time, gateway, connection, text }) => [
      ...[time ?? "-", gateway, connection || "all members", text],
    ]),
  );
}

function settingTable(settings: ExplainText["settings"]): string {
  if (settings.length === 0) return "";
  return formatTable(settings.map(({ kind, name, value, reason }) => [kind, name, value, reason]));
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value);
}

function withoutPrefix(gateway: string): string {
  return gateway.replace("gateways/", "");
}

function timeText(time: Date | undefined): string | null {
  return time?.toISOString() ?? null;
}
