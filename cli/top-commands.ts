/**
 * `tidegatectl top`: the fleet, live.
 *
 * Reads the control plane alone: processes as their leases say, rooms and slow connections as the
 * gateways answer. On a terminal it draws in place until q; elsewhere one picture below the other.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { FleetServiceClient } from "../proto/gen/tidegate/control/v1/fleet_service.ts";
import { GatewayServiceClient } from "../proto/gen/tidegate/control/v1/gateway_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { Failure } from "./failure.ts";
import { gatewayText } from "./fleet-text.ts";
import { formatSpan } from "./human-units.ts";
import { formatOutput } from "./output.ts";
import { pages } from "./pages.ts";
import { drawing, type Screen } from "./screen.ts";
import {
  makePicture,
  type Picture,
  SORT_KEYS,
  type SortKey,
  type TopFacts,
} from "./top-picture.ts";
import { topLines } from "./top-view.ts";

/** What is shown, and how. */
export interface TopOptions {
  readonly format: OutputFormat;
  readonly isOnce: boolean;
  readonly intervalMs: number;
  readonly sort: SortKey;
  /** Rooms and slow connections of this tenant alone; empty: of all. */
  readonly tenant: string;
}

/** Rooms and slow connections asked for: more than fit a screen. */
const LIST_COUNT = 100;
/** A picture older than its interval by this is said to be old, ms: answers take a moment. */
const OLD_MS = 3000;
/** The clock, and the age of an old picture, are drawn this often, ms. */
const TICK_MS = 1000;
/** Gateways asked for at once; servers lower it to their own maximum. */
const pageSize = 1000;

/** Reads what is shown now. */
type Read = () => Promise<TopFacts>;

/** `top`. */
export async function showTop(
  context: Context,
  target: Target,
  options: TopOptions,
): Promise<void> {
  const { screen } = context;
  const isDrawn = screen !== null && options.format === "table" && !options.isOnce;
  if (isDrawn) await drawTop(context, target, options, screen);
  else await printTop(context, target, options);
}

/** Once, or one after the other until a signal. */
async function printTop(context: Context, target: Target, options: TopOptions): Promise<void> {
  const columns = context.screen?.size().columns ?? Number.POSITIVE_INFINITY;
  const size = { columns, rows: Number.POSITIVE_INFINITY };
  const style = {
    ...{ size, hasColour: context.screen?.hasColour === true, title: "tidegate" },
    ...{ clock: "", footer: "", trouble: "" },
  };
  const table = (picture: Picture) => `${topLines(picture, style).join("\n")}\n`;
  await withRead(target, options, async (read) => {
    for (;;) {
      const picture = makePicture(await read(), options.sort);
      await print(context, formatOutput(options.format, picture, table));
      if (options.isOnce || !(await hasSlept(options.intervalMs, context.signal))) return;
      if (options.format === "table") await print(context, "\n");
    }
  });
}

/** In place, until q, Ctrl-C or a signal. */
async function drawTop(
  context: Context,
  target: Target,
  options: TopOptions,
  screen: Screen,
): Promise<void> {
  // Before the screen is taken: who can not read at all is told so in the usual way.
  let facts = await withRead(target, options, (read) => read());
  let readMs = Date.now();
  let trouble = "";
  let { sort } = options;
  const quit = new AbortController();
  const signal = AbortSignal.any([context.signal, quit.signal]);
  const draw = () => {
    if (signal.aborted) return;
    const ageMs = Date.now() - readMs;
    const isOld = ageMs > options.intervalMs + OLD_MS;
    const why = trouble === "" ? "no answer yet" : trouble;
    const lines = topLines(makePicture(facts, sort), {
      ...{ size: screen.size(), hasColour: screen.hasColour, title: "tidegate" },
      clock: new Date().toTimeString().slice(0, 8),
      footer: `q quit   s sort: ${sort}   every ${options.intervalMs / 1000} s`,
      trouble: isOld ? `q quit   as of ${formatSpan(ageMs)} ago: ${why}` : "",
    });
    context.stdout.write(drawing(lines));
  };
  const onKey = (key: string) => {
    if (["q", "Q", "\u0003", "\u0004"].includes(key)) quit.abort();
    if (key === "s") sort = SORT_KEYS[(SORT_KEYS.indexOf(sort) + 1) % SORT_KEYS.length] ?? sort;
    draw();
  };
  const giveBack = screen.take(onKey, draw);
  const ticker = setInterval(draw, TICK_MS);
  try {
    draw();
    while (await hasSlept(options.intervalMs, signal)) {
      try {
        await untilAborted(
          signal,
          withRead(target, options, async (read) => {
            do {
              facts = await read();
              readMs = Date.now();
              trouble = "";
              draw();
            } while (await hasSlept(options.intervalMs, signal));
          }),
        );
      } catch (reason) {
        // That is when people watch: the last picture stays, with its age.
        if (!(reason instanceof Failure) || reason.code !== "UNAVAILABLE") throw reason;
        trouble = reason.message;
        draw();
      }
    }
  } finally {
    clearInterval(ticker);
    giveBack();
  }
}

/** Resolves with the work, or as soon as the signal comes: a key must not wait for an answer. */
async function untilAborted(signal: AbortSignal, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve());
  if (signal.aborted) resolve();
  await Promise.race([work, promise]);
  if (signal.aborted) work.catch(() => {}); // its connection is closed under it: nobody waits
}

/** @returns false when the signal came first. */
async function hasSlept(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch {
    return false; // by the signal: that is how it ends
  }
}

/** Opens the connection, gives what reads, and closes it. */
function withRead<T>(
  target: Target,
  { tenant }: TopOptions,
  use: (read: Read) => Promise<T>,
): Promise<T> {
  const parent = `tenants/${tenant || "-"}`;
  return withClient(target.control, GatewayServiceClient, (gatewayClient) =>
    withClient(target.control, FleetServiceClient, (fleetClient) =>
      use(async () => {
        const [gateways, activity] = await Promise.all([
          readGateways(gatewayClient),
          readActivity(fleetClient, parent),
        ]);
        return { gateways, ...activity };
      }),
    ),
  );
}

async function readGateways(client: GatewayServiceClient) {
  const all = await pages(async (pageToken) => {
    const page = await call(client, client.listGateways, { pageSize, pageToken });
    return { items: page.gateways, next: page.nextPageToken };
  });
  return all.map(gatewayText);
}

/** Whom it does not concern sees the gateways all the same. */
async function readActivity(client: FleetServiceClient, parent: string) {
  const request = { parent, roomLimit: LIST_COUNT, connectionLimit: LIST_COUNT };
  try {
    return { ...(await call(client, client.getActivity, request)), activityTrouble: "" };
  } catch (reason) {
    if (!(reason instanceof Failure) || reason.code !== "ROLE_REQUIRED") throw reason;
    const none = { rooms: [], slowConnections: [], silentGateways: [] };
    return { ...none, activityTrouble: "not shown: it needs the role operator" };
  }
}
