/**
 * Listening: on the wanted port at once after a kill, and never beside another process.
 *
 * uSockets either shares a port (SO_REUSEPORT with SO_REUSEADDR) or takes it alone with neither,
 * and without SO_REUSEADDR a port stays taken for a minute after a process died with connections
 * open: a gateway killed with -9 could not come back. So the port is shared, after a look that
 * nobody listens there: two processes sharing one by mistake would each get half of the clients.
 * The same look finds a free port, because uSockets sets neither for port 0.
 */

import type { TemplatedApp, us_listen_socket } from "uWebSockets.js";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { CodedError } from "../proto/coded-error.ts";

/**
 * Starts to listen.
 *
 * @param port 0 takes a free one, unless the port is shared.
 * @param sharesPort others listen there too, and are meant to: no look is made.
 * @throws {CodedError} `ADDRESS_IN_USE`: somebody listens there, or the host is not ours.
 */
export async function listen(
  app: TemplatedApp,
  host: string,
  port: number,
  sharesPort: boolean,
): Promise<us_listen_socket> {
  const freePort = sharesPort ? port : await findPort(host, port);
  const { promise, resolve, reject } = Promise.withResolvers<us_listen_socket>();
  const onListen = (socket: us_listen_socket | false) => {
    if (socket) resolve(socket);
    else reject(new CodedError("ADDRESS_IN_USE", refusal(host, port)));
  };
  app.listen(host, freePort, onListen);
  return promise;
}

/**
 * A port on which nobody listens: found by listening for a moment in the usual way, which fails
 * beside any other listener.
 *
 * @param port the one wanted; 0 takes a free one.
 * @throws {CodedError} `ADDRESS_IN_USE`.
 */
export async function findPort(host: string, port: number): Promise<number> {
  const probe = createServer();
  try {
    probe.listen(port, host);
    await once(probe, "listening");
  } catch (error) {
    throw new CodedError("ADDRESS_IN_USE", refusal(host, port), error);
  }
  const found = (probe.address() as AddressInfo).port;
  probe.close();
  await once(probe, "close");
  return found;
}

function refusal(host: string, port: number): string {
  return `can not listen on ${host}:${port}; is the port taken, or the host not ours?`;
}
