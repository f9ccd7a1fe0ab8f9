/**
 * What an identity may do in a room: its grants, and for those without a token what the room's
 * class leaves to everybody.
 *
 * Pure.
 */
import { AnonymousAccess } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { Action, type Identity, isGranted } from "../identity.ts";

const reading = Action.JOIN | Action.HISTORY | Action.PRESENCE;
/** What each kind of access is, by its number. */
const anonymousActions: Readonly<Record<number, number>> = {
  [AnonymousAccess.READ]: reading,
  [AnonymousAccess.PUBLISH]: reading | Action.PUBLISH,
};

/** Whether `identity` may do `action` in the room named `room`, of a class with that access. */
export function isPermitted(
  identity: Identity,
  action: Action,
  room: string,
  { anonymousAccess }: { readonly anonymousAccess: AnonymousAccess },
): boolean {
  if (isGranted(identity, action, room)) return true;
  return identity.isAnonymous && ((anonymousActions[anonymousAccess] ?? 0) & action) !== 0;
}
