/**
 * Revocations as this gateway knows them: a live copy of the bus's records, by what they name.
 */
import {
  isRevokedBy,
  REVOCATION_PREFIX,
  type RevocableToken,
  type RevocationRule,
  readRevocation,
} from "../../proto/revocation.ts";
import type { ControlFeed } from "../control-link/control-feed.ts";

/** Rules by their key; a token has few that could be for it. */
type Rules = Map<string, RevocationRule>;

/** The revocations of one tenant, where a token looks for them. */
interface TenantRules {
  readonly byTokenId: Map<string, Rules>;
  readonly byUser: Map<string, Rules>;
  readonly others: Rules;
}

export class Revocations {
  readonly #rules: Rules = new Map();
  readonly #tenants = new Map<string, TenantRules>();
  #onChange: (() => void) | null = null;

  /** Follows the revocations by a feed, which is opened after this. */
  constructor(feed: Pick<ControlFeed, "follow">) {
    feed.follow(REVOCATION_PREFIX, (key, value) => this.#apply(key, value));
  }

  /** How many there are, also ended ones that are not gone yet. */
  get count(): number {
    return this.#rules.size;
  }

  /** Calls `listener` for each revocation from now on; one listener. */
  follow(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Whether a token is revoked. Hot path of connecting: a look-up where there are none. */
  isRevoked(token: RevocableToken & { readonly tenant: string }, nowMs: number): boolean {
    const rules = this.#tenants.get(token.tenant);
    if (rules === undefined) return false;
    const { byTokenId, byUser, others } = rules;
    return (
      isOneFor(byTokenId.get(token.tokenId), token, nowMs) ||
      isOneFor(byUser.get(token.user), token, nowMs) ||
      isOneFor(others, token, nowMs)
    );
  }

  #apply(key: string, value: Uint8Array | null): string | null {
    const [, tenant = ""] = key.split(".");
    const rule = value === null ? null : readRevocation(value);
    if (value !== null && rule === null) return "it does not say what is revoked, or until when";
    const before = this.#rules.get(key);
    if (before !== undefined) this.#remove(tenant, key, before);
    if (rule === null) return null;
    this.#rules.set(key, rule);
    this.#add(tenant, key, rule);
    this.#onChange?.();
    return null;
  }

  #add(tenant: string, key: string, rule: RevocationRule): void {
    const rules = this.#tenants.get(tenant) ?? {
      byTokenId: new Map<string, Rules>(),
      byUser: new Map<string, Rules>(),
      others: new Map(),
    };
    this.#tenants.set(tenant, rules);
    const { named, word } = placeOf(rules, rule);
    if (named === null) {
      rules.others.set(key, rule);
      return;
    }
    const same = named.get(word);
    if (same === undefined) named.set(word, new Map([[key, rule]]));
    else same.set(key, rule);
  }

  #remove(tenant: string, key: string, rule: RevocationRule): void {
    this.#rules.delete(key);
    const rules = this.#tenants.get(tenant);
    if (rules === undefined) return;
    const { named, word } = placeOf(rules, rule);
    const same = named === null ? rules.others : named.get(word);
    same?.delete(key);
    if (same?.size === 0) named?.delete(word);
    const { byTokenId, byUser, others } = rules;
    if (byTokenId.size + byUser.size + others.size === 0) this.#tenants.delete(tenant);
  }
}

/** Under which word a rule stands; null: among the others. */
function placeOf({ byTokenId, byUser }: TenantRules, { tokenId, user }: RevocationRule) {
  if (tokenId !== "") return { named: byTokenId, word: tokenId };
  return user === "" ? { named: null, word: "" } : { named: byUser, word: user };
}

function isOneFor(rules: Rules | undefined, token: RevocableToken, nowMs: number): boolean {
  if (rules === undefined) return false;
  for (const rule of rules.values()) if (isRevokedBy(rule, token, nowMs)) return true;
  return false;
}
