/**
 * The refusal of a call that the caller's role does not allow; status.ts tells the role apart.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { Caller, Role } from "./caller.ts";

/** `ROLE_REQUIRED`, with the role that would do. */
export class RoleRequiredError extends CodedError {
  readonly requiredRole: Role;

  constructor(method: string, { principal, role }: Caller, requiredRole: Role) {
    const name = method.slice(method.lastIndexOf("/") + 1);
    const who = `${JSON.stringify(principal)} has the role ${role}`;
    super("ROLE_REQUIRED", `${name} needs the role ${requiredRole}; ${who}`);
    this.requiredRole = requiredRole;
  }
}
