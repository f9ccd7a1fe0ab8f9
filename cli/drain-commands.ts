/**
 * `tidegatectl gateways drain` and `undrain`.
 */
import { randomUUID } from "node:crypto";
import { GatewayServiceClient } from "../proto/gen/tidegate/control/v1/gateway_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { type BeginOptions, showBegun } from "./operation-commands.ts";

/** How fast, and until when. */
export interface DrainPace {
  /** Reconnects a second; 0: as the gateway is set. */
  readonly rate: number;
  readonly announceMs: number;
  readonly deadlineMs: number;
}

/** `gateways drain`. */
export async function drainGateway(
  context: Context,
  target: Target,
  id: string,
  { rate, announceMs, deadlineMs }: DrainPace,
  options: BeginOptions,
): Promise<void> {
  const request = {
    ...{ name: `gateways/${id}`, connectionsPerSecondMax: rate, announceMs, deadlineMs },
    ...{ validateOnly: options.isDryRun, requestId: randomUUID() },
  };
  const { operation } = await withClient(target.control, GatewayServiceClient, (client) =>
    call(client, client.drainGateway, request),
  );
  await showBegun(context, target, operation, options);
}

/** `gateways undrain`. */
export async function undrainGateway(
  context: Context,
  target: Target,
  id: string,
  { isDryRun }: { readonly format: OutputFormat; readonly isDryRun: boolean },
): Promise<void> {
  const request = { name: `gateways/${id}`, validateOnly: isDryRun, requestId: randomUUID() };
  await withClient(target.control, GatewayServiceClient, (client) =>
    call(client, client.undrainGateway, request),
  );
  const suffix = isDryRun ? " (dry run, nothing was changed)" : "";
  await print(context, `gateway ${id} takes clients again${suffix}\n`);
}
