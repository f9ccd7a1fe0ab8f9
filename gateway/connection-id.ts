/**
 * The connection id that Welcome shows, operators name, and logs have. Pure.
 */

/** @param number counts the gateway's connections. */
export function connectionId(gatewayId: string, number: number): string {
  return `${gatewayId}-${number.toString(36)}`;
}
