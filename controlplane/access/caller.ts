/**
 * Who makes a call, and what its role allows.
 *
 * Pure.
 */

/** Roles, each allowing what those before it do; `gateway` stands apart. */
export const OPERATING_ROLES = ["viewer", "operator", "admin"] as const;

/** What a caller may do; see access/method-roles.ts. */
export type Role = (typeof OPERATING_ROLES)[number] | "gateway";

/** Who makes a call. */
export interface Caller {
  /** `sub` of its token or the name in its certificate; "anonymous" without access control. */
  readonly principal: string;
  readonly role: Role;
  /** Of role `gateway`: the only gateway that it may speak for. Null for all others. */
  readonly gatewayId: string | null;
  /** Address and port the call came from; empty when unknown. */
  readonly peer: string;
}

/** Who calls where there is no access control: anybody, and may do everything. */
export function anonymousCaller(peer: string): Caller {
  return { principal: "anonymous", role: "admin", gatewayId: null, peer };
}

/**
 * Whether a role allows what needs `needed`. What needs `gateway` is also allowed to admins: they
 * can do no more harm by it than by their own calls.
 */
export function allows(role: Role, needed: Role): boolean {
  if (needed === "gateway") return role === "gateway" || role === "admin";
  if (role === "gateway") return false;
  return OPERATING_ROLES.indexOf(role) >= OPERATING_ROLES.indexOf(needed);
}
