/**
 * Identity: who a connection is, and what it may do in which rooms.
 *
 * Pure. Every decision of the gateway asks `isGranted`; the identity comes from auth/.
 */

/** What a capability allows in a room. */
export const Action = {
  JOIN: 1,
  PUBLISH: 2,
  HISTORY: 4,
  PRESENCE: 8,
  MANAGE: 16,
  TRACE: 32,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

/** Names of actions in tokens and token files. */
export const ACTION_NAMES: ReadonlyMap<string, Action> = new Map<string, Action>([
  ["join", Action.JOIN],
  ["publish", Action.PUBLISH],
  ["history", Action.HISTORY],
  ["presence", Action.PRESENCE],
  ["manage", Action.MANAGE],
  ["trace", Action.TRACE],
]);

/** All actions. */
export const ALL_ACTIONS = 63;
/** What a token without grants may do: all but `manage` and `trace`, which have to be said. */
export const DEFAULT_ACTIONS = ALL_ACTIONS & ~(Action.MANAGE | Action.TRACE);

/** Grants of one identity; more would make each join slow. */
export const GRANT_COUNT_MAX = 64;

/** A capability: actions in the rooms whose full name matches. */
export interface Grant {
  /** Room name pattern; `*` stands for any run of characters, everything else for itself. */
  readonly rooms: string;
  /** Sum of {@link Action}. */
  readonly actions: number;
}

/** What a token says of its user, for flags and gates: claim "attributes". */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Who the gateway takes a connection for. */
export interface Identity {
  readonly tenant: string;
  /** Empty when anonymous. At most 128 bytes. */
  readonly user: string;
  readonly grants: readonly Grant[];
  /** `jti` of the token, at most 128 bytes; empty when it has none. */
  readonly tokenId: string;
  /** When the token was issued, seconds since 1970-01-01 UTC; 0: not said. */
  readonly issuedAtS: number;
  /** When it ends, seconds since 1970-01-01 UTC; 0: never. */
  readonly expiresAtS: number;
  readonly attributes: Attributes;
  /** What the token is good by (auth/anchors.ts); empty: nothing that could be withdrawn. */
  readonly anchor: string;
  /** It showed no token: what it may do beyond its grants, a room's class says. */
  readonly isAnonymous: boolean;
}

const noAttributes: Attributes = {};

/** An identity of those parts; the rest is as with a token that never ends and says no more. */
export function makeIdentity(
  parts: Pick<Identity, "tenant" | "user" | "grants"> & Partial<Identity>,
): Identity {
  const rest = { tokenId: "", issuedAtS: 0, expiresAtS: 0, attributes: noAttributes, anchor: "" };
  return { ...rest, isAnonymous: false, ...parts };
}

/** Whether the identity may do `action` in the room named `room`. */
export function isGranted(identity: Identity, action: Action, room: string): boolean {
  return identity.grants.some(
    (grant) => (grant.actions & action) !== 0 && matchesPattern(grant.rooms, room),
  );
}

/**
 * Whether `text` matches `pattern`, where `*` stands for any run of characters.
 *
 * Two pointers and one step back, so that no pattern costs more than length x length; a regular
 * expression made from a token's pattern could be made to run for ever.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === "*") {
      star = p;
      resume = t;
      p += 1;
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      p = star + 1;
      resume += 1;
      t = resume;
    } else {
      return false;
    }
  }
  while (p < pattern.length && pattern[p] === "*") p += 1;
  return p === pattern.length;
}
