/** Room addresses: legal tokens, none shared, slots in range and even. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressOfToken, escapeToken, roomAddress, SLOT_COUNT } from "../../bus/subjects.ts";
import { isTenantName, parseRoomName, ROOM_NAME_BYTES_MAX } from "../../proto/room-name.ts";

/** Names of every kind that parseRoomName takes. */
const roomNames = fc
  .tuple(
    fc.constantFrom("chat", "live", "a", "game-2"),
    fc.oneof(
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
      fc.string({ unit: fc.constantFrom("=", "_", "*", ">", ".", "2", "a", " ", "é", "🚀") }),
    ),
  )
  .map(([roomClass, rest]) => `${roomClass}:${rest}`)
  .filter(isRoomName);
const tenants = fc
  .string({ unit: fc.constantFrom("a", "b", "-", "2", "_", "="), minLength: 1, maxLength: 5 })
  .filter(isTenantName);

function isRoomName(name: string): boolean {
  try {
    parseRoomName(name);
    return true;
  } catch {
    // Not legal: the generator makes such names too.
    return false;
  }
}

test("addressOfToken: gives back the room of a token, and null for any other text", () => {
  fc.assert(
    fc.property(tenants, roomNames, fc.integer({ min: 0, max: 15 }), (tenant, room, group) => {
      const address = roomAddress(tenant, room, group);
      expect(addressOfToken(address.token, group)).toEqual(address);
    }),
  );
  for (const text of ["", "acme", "acme=_", "acme=_chat", "acme=_chat:a", "a=_chat=3aa=_"]) {
    const found = addressOfToken(text, 0);
    if (found !== null) expect(found.token).toBe(text);
  }
});

describe("roomAddress", () => {
  test("makes one legal subject token whatever the name", () => {
    fc.assert(
      fc.property(tenants, roomNames, (tenant, room) => {
        const address = roomAddress(tenant, room);
        expect(address.token).toMatch(/^[A-Za-z0-9_=-]+$/);
        expect(address.token.length).toBeLessThanOrEqual(864);
        expect(address.slot).toBeGreaterThanOrEqual(0);
        expect(address.slot).toBeLessThan(SLOT_COUNT);
        expect(roomAddress(tenant, room)).toEqual(address);
        expect(address).toMatchObject({ tenant, room, class: parseRoomName(room).class });
      }),
      { numRuns: 2000 },
    );
  });

  test("gives no two rooms one token", () => {
    const pairs = fc.tuple(tenants, roomNames, tenants, roomNames);
    fc.assert(
      fc.property(pairs, ([tenant, room, otherTenant, otherRoom]) => {
        const isSame = tenant === otherTenant && room === otherRoom;
        const one = roomAddress(tenant, room).token;
        const other = roomAddress(otherTenant, otherRoom).token;
        expect(one === other).toBe(isSame);
      }),
      { numRuns: 2000 },
    );
  });

  test("keeps the token of the longest name within bounds", () => {
    const rest = "*".repeat(ROOM_NAME_BYTES_MAX - 5);
    expect(roomAddress("t".repeat(63), `chat:${rest}`).token.length).toBeLessThanOrEqual(864);
  });

  test("keeps tokens and slots as they are in stored data", () => {
    expect(roomAddress("acme", "chat:lobby")).toEqual({
      tenant: "acme",
      room: "chat:lobby",
      class: "chat",
      slot: 488,
      token: "acme=_chat=3alobby",
    });
    expect(roomAddress("acme", "game:eu/42 *.>").token).toBe("acme=_game=3aeu=2f42=20=2a=2e=3e");
    const odd = roomAddress("acme", "chat:é🚀");
    expect(odd.token).toBe("acme=_chat=3a=c3=a9=f0=9f=9a=80");
    expect(odd.slot).toBe(693);
  });

  test("spreads rooms over all slots, none with five times its share", () => {
    const counts = new Array<number>(SLOT_COUNT).fill(0);
    const roomCount = SLOT_COUNT * 20;
    for (let i = 0; i < roomCount; i += 1) {
      const { slot } = roomAddress("acme", `chat:${i}`);
      counts[slot] = (counts[slot] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(Math.max(...counts)).toBeLessThan(100);
  });
});

describe("escapeToken", () => {
  test("is injective and leaves plain characters alone", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (a, b) => {
        expect(escapeToken(a) === escapeToken(b)).toBe(Buffer.from(a).equals(Buffer.from(b)));
      }),
    );
    expect(escapeToken("Az09_-")).toBe("Az09_-");
  });
});
