/**
 * The evaluation context: what flags and version gates may ask about a client.
 *
 * Pure. The gateway, and the control plane where it answers what a given client would get, make it
 * here, so they can not disagree. What stands at the top level is vouched for: by the token, or by
 * the gateway. What a client says of itself stands below `client`.
 */

/** A value that a token gives a client beside its name. */
export type AttributeValue = string | number | boolean;

/** A client's build, as its Hello says. */
export interface BuildFacts {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
}

/** What a client says of itself in Hello. Connections that say the same share one object. */
export interface ClientProfile {
  readonly build: BuildFacts;
  /** Region that it is in or wants; empty when it says none. */
  readonly region: string;
  readonly attributes: readonly { readonly key: string; readonly value: string }[];
}

/** What is known of a client. */
export interface ClientFacts {
  /** Stands for the user where there is none. */
  readonly connectionId: string;
  readonly tenant: string;
  /** Empty when anonymous. */
  readonly user: string;
  /** Of its token. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly profile: ClientProfile;
  /** The gateway that it is connected to. */
  readonly gateway: { readonly id: string; readonly region: string };
}

/** What definitions may ask for; attributes of the token stand beside these. */
export interface ClientContext {
  /** What percentages are made of: the user, so that he gets the same everywhere and always. */
  readonly targetingKey: string;
  readonly tenant: string;
  readonly user: string;
  /** Build and attributes of Hello, and `region`, if it says one. */
  readonly client: Readonly<Record<string, string>>;
  /** Of the gateway. */
  readonly region: string;
  /** Id of the gateway. */
  readonly gateway: string;
  readonly [attribute: string]: AttributeValue | Readonly<Record<string, string>>;
}

/** Attributes of one Hello; the gateway refuses more. */
export const HELLO_ATTRIBUTE_COUNT_MAX = 32;
/** Bytes of an attribute's key in Hello. */
export const HELLO_KEY_BYTES_MAX = 64;
/** Bytes of an attribute's value in Hello. */
export const HELLO_VALUE_BYTES_MAX = 256;

/** Names that no attribute takes: ours, flagd's own, and what would reach into the prototype. */
const reserved = new Set(["targetingKey", "tenant", "user", "client", "region", "gateway"]);
const unusable = new Set(["$flagd", "__proto__"]);

/** The context of a client. An attribute of a name that is taken is left out. */
export function clientContext(facts: ClientFacts): ClientContext {
  const { tenant, user, profile, gateway } = facts;
  const context: Record<string, AttributeValue | Readonly<Record<string, string>>> = {};
  for (const [key, value] of Object.entries(facts.attributes)) {
    if (!reserved.has(key) && !unusable.has(key)) context[key] = value;
  }
  const known = { tenant, user, region: gateway.region, gateway: gateway.id };
  const targetingKey = user === "" ? facts.connectionId : user;
  return { ...context, ...known, targetingKey, client: describeClient(profile) };
}

/** What the client says; its build can not be overwritten by an attribute. */
function describeClient({ build, region, attributes }: ClientProfile): Record<string, string> {
  const client: Record<string, string> = {};
  for (const { key, value } of attributes) if (!unusable.has(key)) client[key] = value;
  if (region !== "") client.region = region;
  return { ...client, name: build.name, version: build.version, platform: build.platform };
}
