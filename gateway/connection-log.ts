/**
 * Log lines about one connection: each says which, and of which tenant, so that all lines about a
 * client are found by one search.
 *
 * Who logs about a connection while its message is traced adds `trace_id`, as OpenTelemetry names
 * it.
 */
import type { Connection } from "./connection.ts";
import { connectionId } from "./connection-id.ts";
import type { Log } from "./log.ts";

export class ConnectionLog {
  readonly #log: Log;
  readonly #gatewayId: string;

  constructor(log: Log, gatewayId: string) {
    this.#log = log;
    this.#gatewayId = gatewayId;
  }

  debug(connection: Connection, fields: object, text: string): void {
    this.#log.debug(this.#about(connection, fields), text);
  }

  warn(connection: Connection, fields: object, text: string): void {
    this.#log.warn(this.#about(connection, fields), text);
  }

  error(connection: Connection, fields: object, text: string): void {
    this.#log.error(this.#about(connection, fields), text);
  }

  #about({ number, identity }: Connection, fields: object): object {
    const connection = connectionId(this.#gatewayId, number);
    // Before its Hello is answered nobody knows the tenant.
    return { connection, ...(identity && { tenant: identity.tenant }), ...fields };
  }
}
