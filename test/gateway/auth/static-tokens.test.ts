/** Static tokens: which become which identities, and which files are refused. */
import { describe, expect, test } from "vitest";
import { authenticateNone } from "../../../gateway/auth/authenticate.ts";
import { authenticateStatic } from "../../../gateway/auth/static-tokens.ts";
import {
  Action,
  ALL_ACTIONS,
  DEFAULT_ACTIONS,
  GRANT_COUNT_MAX,
  makeIdentity,
} from "../../../gateway/identity.ts";

const everything = [{ rooms: "*", actions: DEFAULT_ACTIONS }];
const token = "a-long-random-string-1";
const file = (...tokens: unknown[]) => JSON.stringify({ tokens });

test("authenticateNone: everybody is anonymous in tenant default, and may do everything", async () => {
  const identity = await authenticateNone()("whatever");
  const grants = [{ rooms: "*", actions: ALL_ACTIONS }];
  const expected = { tenant: "default", user: "", grants, isAnonymous: true };
  expect(identity).toEqual(makeIdentity(expected));
});

describe("authenticateStatic", () => {
  test("an entry with a token alone has the defaults", async () => {
    const identity = await authenticateStatic(file({ token }))(token);
    const expected = makeIdentity({ tenant: "default", user: "", grants: everything });
    expect(identity).toEqual({ ...expected, anchor: identity.anchor });
    expect(identity.anchor).not.toContain(token.slice(0, 4));
  });

  test("every field is taken, and no token is taken for another", async () => {
    const grants = [
      { rooms: "chat:*", can: ["join", "publish"] },
      { rooms: "live:a", can: [] },
    ];
    const other = "a-long-random-string-2";
    const authenticate = authenticateStatic(
      file({ token, tenant: "acme", user: "Änna 1", grants }, { token: other, user: "b" }),
    );
    const identity = await authenticate(token);
    expect(identity).toEqual(
      makeIdentity({
        anchor: identity.anchor,
        tenant: "acme",
        user: "Änna 1",
        grants: [
          { rooms: "chat:*", actions: Action.JOIN | Action.PUBLISH },
          { rooms: "live:a", actions: 0 },
        ],
      }),
    );
    const second = await authenticate(other);
    expect([second.user, second.anchor === identity.anchor]).toEqual(["b", false]);
    for (const wrong of ["", token.slice(1), `${token} `, token.toUpperCase(), "tokens"]) {
      expect(() => authenticate(wrong)).toThrow("[TOKEN_INVALID]");
      expect(() => authenticate(wrong)).not.toThrow(token);
    }
  });

  test("attributes are taken as they are, also one named like a part of every object", async () => {
    const json = `{"tokens":[{"token":"${token}","attributes":{"plan":"pro","n":1.5,"is":true,"__proto__":"x"}}]}`;
    const { attributes } = await authenticateStatic(json)(token);
    expect(Object.entries(attributes)).toEqual([
      ["plan", "pro"],
      ["n", 1.5],
      ["is", true],
      ["__proto__", "x"],
    ]);
  });

  test("every action can be named; without grants all but manage and trace are granted", async () => {
    const can = ["join", "publish", "history", "presence", "manage", "trace"];
    const authenticate = authenticateStatic(file({ token, grants: [{ rooms: "*", can }] }));
    expect((await authenticate(token)).grants).toEqual([{ rooms: "*", actions: ALL_ACTIONS }]);
    expect(ALL_ACTIONS & ~DEFAULT_ACTIONS).toBe(Action.MANAGE | Action.TRACE);
  });

  test.each([
    ["nothing", "", "not JSON"],
    ["a list", "[]", '{"tokens"'],
    ["null", "null", '{"tokens"'],
    ["tokens that are no list", '{"tokens": {}}', '{"tokens"'],
    ["an entry that is no object", file("x"), '{"tokens"'],
    ["an entry without a token", file({}), "tokens[0].token"],
    ["a short token", file({ token: "x".repeat(15) }), "tokens[0].token"],
    ["the same token twice", file({ token }, { token, user: "b" }), "tokens[1].token"],
    ["a bad tenant", file({ token, tenant: "Acme" }), "tokens[0].tenant"],
    ["a tenant that is no text", file({ token, tenant: 5 }), "tokens[0].tenant"],
    ["a user of 129 bytes", file({ token, user: "x".repeat(129) }), "tokens[0].user"],
    ["a user of 65 two-byte letters", file({ token, user: "é".repeat(65) }), "tokens[0].user"],
    ["a user with a control character", file({ token, user: "a\u0000b" }), "tokens[0].user"],
    ["a user that is no text", file({ token, user: { a: 1 } }), "tokens[0].user"],
    ["grants that are no list", file({ token, grants: "*" }), "tokens[0].grants"],
    ["a grant without rooms", file({ token, grants: [{ can: [] }] }), "grants[0].rooms"],
    ["a grant that is null", file({ token, grants: [null] }), "grants[0].rooms"],
    ["a can that is no list", file({ token, grants: [{ rooms: "*", can: "join" }] }), "[0].can"],
    ["a grant without can", file({ token, grants: [{ rooms: "*" }] }), "[0].can"],
    ["attributes that are a list", file({ token, attributes: [] }), "tokens[0].attributes"],
    ["attributes that are null", file({ token, attributes: null }), "tokens[0].attributes"],
    ["an attribute that is a list", file({ token, attributes: { a: [] } }), "attributes.a"],
    ["a long attribute", file({ token, attributes: { a: "é".repeat(129) } }), "attributes.a"],
    ["a long name of one", file({ token, attributes: { ["a".repeat(65)]: 1 } }), "attributes"],
    ["an empty name of one", file({ token, attributes: { "": 1 } }), "attributes"],
    [
      "33 attributes",
      file({ token, attributes: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [i, 1])) }),
      "more than 32",
    ],
    ["an unknown action", file({ token, grants: [{ rooms: "*", can: ["fly"] }] }), '"fly"'],
    [
      "too many grants",
      file({ token, grants: Array(GRANT_COUNT_MAX + 1).fill({ rooms: "*", can: [] }) }),
      "tokens[0].grants",
    ],
  ])("refuses a file with %s, naming the place", (_name, json, place) => {
    expect(() => authenticateStatic(json)).toThrow("[OPTION_INVALID]");
    expect(() => authenticateStatic(json)).toThrow(place);
  });
});
