/**
 * Listens on the nats-servers beside Tidegate: what goes over a subject, counted from outside.
 */
import { connect, type Msg, type NatsConnection } from "@nats-io/transport-node";
import type { NatsTarget } from "./nats-fleet.ts";

export class Wiretap {
  readonly #connection: NatsConnection;

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** Listens to a subject from now on. */
  static async on(
    { urls }: NatsTarget,
    subject: string,
    onMessage: (message: Msg) => void,
  ): Promise<Wiretap> {
    const connection = await connect({ servers: [...urls] });
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) onMessage(message);
      },
    });
    await connection.flush();
    return new Wiretap(connection);
  }

  stop(): Promise<void> {
    return this.#connection.close();
  }
}
