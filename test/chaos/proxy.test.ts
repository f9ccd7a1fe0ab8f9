/**
 * The proxy of chaos runs: what it holds comes later, what it cuts is gone, what is half open is
 * not told.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { ChaosProxy } from "./proxy.ts";

/** A server that keeps what it gets. */
async function startTarget() {
  const sockets: Socket[] = [];
  const got: string[] = [];
  const heard = new EventTarget();
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy()); // cut by the proxy
    socket.on("data", (chunk) => {
      got.push(chunk.toString());
      heard.dispatchEvent(new Event("data"));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const until = async (text: string) => {
    while (got.join("") !== text) await once(heard, "data");
  };
  return { port: (server.address() as AddressInfo).port, sockets, got, until };
}

async function openProxy(...ports: number[]): Promise<ChaosProxy> {
  const proxy = await ChaosProxy.open(() => ports);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** `once` would reject at the reset that it waits for. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function dial(proxy: ChaosProxy): Promise<Socket> {
  const socket = connect(proxy.port, "127.0.0.1");
  socket.on("error", () => socket.destroy()); // cut by the proxy
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  return socket;
}

test("proxy: passes bytes both ways, to targets in turns, past dead ones", async () => {
  const [first, second] = [await startTarget(), await startTarget()];
  const proxy = await openProxy(first.port, 1, second.port);
  (await dial(proxy)).write("a");
  await first.until("a");
  (await dial(proxy)).write("b"); // the dead one's turn
  await second.until("b");
  (await dial(proxy)).write("c");
  await second.until("bc");
  const client = await dial(proxy);
  client.write("d");
  await first.until("ad");
  first.sockets.at(-1)?.write("answer");
  const [answer] = (await once(client, "data")) as [Buffer];
  expect(answer.toString()).toBe("answer");
});

test("proxy: frozen bytes stay inside and arrive when it is healed, also of a gone client", async () => {
  const target = await startTarget();
  const proxy = await openProxy(target.port);
  const client = await dial(proxy);
  client.write("before ");
  await target.until("before ");
  proxy.freeze("toTarget");
  client.write("held");
  while (proxy.heldBytes === 0) await new Promise(setImmediate);
  client.destroy();
  await closed(client);
  expect(target.got.join("")).toBe("before ");
  proxy.heal();
  await target.until("before held");
});

test("proxy: stranded bytes stay inside while new connections pass", async () => {
  const target = await startTarget();
  const proxy = await openProxy(target.port);
  const client = await dial(proxy);
  client.write("a");
  await target.until("a");
  proxy.freeze("toTarget");
  client.write("z");
  while (proxy.heldBytes === 0) await new Promise(setImmediate);
  const isClosed = closed(client);
  proxy.strand();
  proxy.heal(true);
  await isClosed;
  (await dial(proxy)).write("b");
  await target.until("ab");
  proxy.heal();
  await target.until("abz");
});

test("proxy: cut resets both ends, refuse resets new ones", async () => {
  const target = await startTarget();
  const proxy = await openProxy(target.port);
  const client = await dial(proxy);
  client.write("a");
  await target.until("a");
  const [socket] = target.sockets;
  if (socket === undefined) throw new Error("no connection");
  const areClosed = Promise.all([closed(client), closed(socket)]);
  expect(proxy.cut()).toBe(1);
  await areClosed;
  proxy.refuse(true);
  const refused = connect(proxy.port, "127.0.0.1");
  refused.on("error", () => refused.destroy());
  await closed(refused);
  expect(target.sockets).toHaveLength(1);
});

test("proxy: half open: the far end is gone, the near one is not told, until it is healed", async () => {
  const target = await startTarget();
  const proxy = await openProxy(target.port);
  const client = await dial(proxy);
  client.write("a");
  await target.until("a");
  const [socket] = target.sockets;
  if (socket === undefined) throw new Error("no connection");
  const farClosed = closed(socket);
  expect(proxy.halfOpen()).toBe(1);
  await farClosed;
  client.write("lost");
  await new Promise(setImmediate);
  expect(client.destroyed).toBe(false);
  const isClosed = closed(client);
  proxy.heal();
  await isClosed;
  expect(target.got).toEqual(["a"]);
});
