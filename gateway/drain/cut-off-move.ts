/**
 * Clients of a gateway that is cut off from the bus move, but only to one that says it is on it.
 *
 * When the bus is away for all, moving helps nobody, and a whole fleet would do it at once. So the
 * others are asked on their own addresses, and who has none is not known to be better off.
 */
import type { Unsubscribe } from "../../bus/bus.ts";
import { GoAwayReason } from "../../proto/gen/tidegate/client/v1/session.ts";
import type { GatewayContext } from "../context.ts";
import { READY_SUBPROTOCOL } from "../edge/subprotocol.ts";
import type { Drain } from "./drain.ts";
import type { Peer } from "./peer.ts";

/**
 * A cut-off shorter than this moves nobody, ms: reconnecting to another server of the bus, or a new
 * leader there, takes 4 to 9 s.
 */
export const CUT_OFF_WAIT_MS = 10_000;
/** How often others are asked while clients are to move, ms. */
const ASK_EVERY_MS = 5000;
/** Others that are asked at once. */
const ASKED_COUNT_MAX = 8;
/** An answer that takes longer is none, ms. */
const ASK_MS_MAX = 2000;

/** Moves clients whenever the bus is away for long; call what it returns to end that. */
export function followCutOffMoves(context: GatewayContext, drain: Drain): Unsubscribe {
  let timer: NodeJS.Timeout | null = null;
  let onBus: ReadonlySet<string> = new Set();
  let isMoving = false;
  const look = async () => {
    onBus = await askOthers(context.directory.peers);
    if (timer === null) return; // back on the bus meanwhile
    if (onBus.size > 0 && !isMoving) {
      isMoving = true;
      context.log.warn({ gateways: [...onBus] }, "cut off for long: clients move to others");
      drain.move({
        reason: GoAwayReason.CUT_OFF,
        ceilingPerS: context.options.drainRateMax,
        countMax: Number.POSITIVE_INFINITY,
        deadlineMs: null,
        mayTake: ({ id }) => onBus.has(id),
      });
    }
    timer = setTimeout(() => void look(), ASK_EVERY_MS).unref();
  };
  const stop = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (isMoving) drain.stopMoving();
    isMoving = false;
  };
  const unfollow = context.bus.followCutOff((isCutOff) => {
    stop();
    if (isCutOff) timer = setTimeout(() => void look(), CUT_OFF_WAIT_MS).unref();
  });
  return () => {
    unfollow();
    stop();
  };
}

/** Ids of those that say they are ready, which only a gateway on the bus does. */
async function askOthers(peers: readonly Peer[]): Promise<ReadonlySet<string>> {
  const asked = peers.filter(({ url, isServing }) => url !== "" && isServing);
  const ids = await Promise.all(
    asked.slice(0, ASKED_COUNT_MAX).map(async ({ id, url }) => ((await isReady(url)) ? id : "")),
  );
  return new Set(ids.filter((id) => id !== ""));
}

/** Whether it agrees to the subprotocol that only a gateway on the bus agrees to. */
async function isReady(url: string): Promise<boolean> {
  const socket = new WebSocket(url, READY_SUBPROTOCOL);
  const isOpen = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(resolve, ASK_MS_MAX, false);
    const end = (isAgreed: boolean) => {
      clearTimeout(timer);
      resolve(isAgreed);
    };
    socket.onopen = () => end(true);
    socket.onerror = () => end(false); // not reached, or not ready: not known to be on the bus
  });
  socket.close();
  return isOpen;
}
