/**
 * Which addresses only this machine can reach: there, access control may be off.
 *
 * Pure.
 */

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

/** Whether only this machine reaches `host`, a name or an address without port and brackets. */
export function isLoopback(host: string): boolean {
  return loopback.test(host);
}
