/** What flags and gates may ask about a client, and what nobody can make them believe. */
import { expect, test } from "vitest";
import { type ClientFacts, clientContext } from "../../proto/client-context.ts";

const facts: ClientFacts = {
  connectionId: "gw-1",
  tenant: "acme",
  user: "anna",
  attributes: { plan: "gold", seats: 5, beta: true },
  profile: {
    build: { name: "tidegate-ts", version: "2.1.0", platform: "browser" },
    region: "eu",
    attributes: [{ key: "screen", value: "small" }],
  },
  gateway: { id: "gw", region: "eu-west-1" },
};

test("a context has user, token's attributes, and what the client says below client", () => {
  expect(clientContext(facts)).toEqual({
    ...{ targetingKey: "anna", tenant: "acme", user: "anna", region: "eu-west-1", gateway: "gw" },
    ...{ plan: "gold", seats: 5, beta: true },
    client: {
      ...{ name: "tidegate-ts", version: "2.1.0", platform: "browser", region: "eu" },
      screen: "small",
    },
  });
});

test("the connection stands for an anonymous user", () => {
  expect(clientContext({ ...facts, user: "" }).targetingKey).toBe("gw-1");
});

test("no attribute takes the place of what the gateway knows, nor reaches a prototype", () => {
  const said = ["name", "version", "platform", "region", "__proto__"].map((key) => ({
    ...{ key, value: "forged" },
  }));
  const attributes = JSON.parse(
    '{"tenant":"x","user":"x","targetingKey":"x","client":"x","region":"x","gateway":"x","$flagd":"x","__proto__":"x"}',
  );
  const profile = { ...facts.profile, attributes: said };
  const context = clientContext({ ...facts, attributes, profile });
  expect(context).toEqual({
    ...{ targetingKey: "anna", tenant: "acme", user: "anna", region: "eu-west-1", gateway: "gw" },
    client: { name: "tidegate-ts", version: "2.1.0", platform: "browser", region: "eu" },
  });
  expect(Object.getPrototypeOf(context)).toBe(Object.prototype);
});
