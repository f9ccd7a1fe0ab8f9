/** Clients of a gateway without its bus move only to one that says it is on it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocketServer } from "ws";
import type { GatewayContext } from "../../../gateway/context.ts";
import { followCutOffMoves } from "../../../gateway/drain/cut-off-move.ts";
import type { Drain } from "../../../gateway/drain/drain.ts";
import type { MoveOrder } from "../../../gateway/drain/mover.ts";
import type { Peer } from "../../../gateway/drain/peer.ts";
import { READY_SUBPROTOCOL } from "../../../gateway/edge/subprotocol.ts";
import { GoAwayReason } from "../../../proto/gen/tidegate/client/v1/session.ts";

/** Another gateway, as far as its readiness goes. */
async function startOther() {
  const other = { isReady: false, askedCount: 0 };
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    expect(request.headers["sec-websocket-protocol"]).toBe(READY_SUBPROTOCOL);
    other.askedCount += 1;
    if (other.isReady) sockets.handleUpgrade(request, socket, head, () => {});
    else socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { other, url: `ws://127.0.0.1:${port}/ws` };
}

/** A gateway whose bus the test cuts, and what it is told to move. */
function openScene(peers: readonly Partial<Peer>[]) {
  let tell: (isCutOff: boolean) => void = () => {};
  const moves: MoveOrder[] = [];
  const stops: string[] = [];
  const context = {
    bus: {
      followCutOff: (listener: typeof tell) => {
        tell = listener;
        return () => {};
      },
    },
    directory: { peers: peers.map((peer) => ({ isServing: true, ...peer })) },
    options: { drainRateMax: 7 },
    log: { warn: () => {} },
  } as unknown as GatewayContext;
  const drain = {
    move: (order: MoveOrder) => moves.push(order),
    stopMoving: () => stops.push("stop"),
  } as unknown as Drain;
  onTestFinished(followCutOffMoves(context, drain));
  return { moves, stops, setCutOff: (isCutOff: boolean) => tell(isCutOff) };
}

test("followCutOffMoves: nobody moves while no other is ready; then to that one alone", async () => {
  const { other, url } = await startOther();
  const { moves, stops, setCutOff } = openScene([
    { id: "ready", url },
    { id: "dead", url: "ws://127.0.0.1:1/ws" },
    { id: "nowhere", url: "" },
  ]);
  setCutOff(true);
  await vi.waitUntil(() => other.askedCount >= 2, { timeout: 60_000 });
  expect(moves).toEqual([]); // it was asked, and is not on the bus either
  other.isReady = true;
  await vi.waitUntil(() => moves.length > 0, { timeout: 60_000 });
  const [order] = moves;
  expect(order).toMatchObject({ reason: GoAwayReason.CUT_OFF, deadlineMs: null, ceilingPerS: 7 });
  const mayTake = (id: string) => order?.mayTake({ id } as Peer);
  expect([mayTake("ready"), mayTake("dead"), mayTake("nowhere")]).toEqual([true, false, false]);
  expect(moves).toHaveLength(1);
  setCutOff(false);
  expect(stops).toEqual(["stop"]);
}, 120_000);

test("followCutOffMoves: a short cut-off asks nobody", async () => {
  const { other, url } = await startOther();
  const { moves, stops, setCutOff } = openScene([{ id: "ready", url }]);
  other.isReady = true;
  setCutOff(true);
  setCutOff(false);
  expect([moves, stops, other.askedCount]).toEqual([[], [], 0]);
});
