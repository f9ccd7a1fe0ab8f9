import fc from "fast-check";
import { expect, test } from "vitest";
import { encodePageToken } from "../../controlplane/page-token.ts";
import { takePage } from "../../controlplane/take-page.ts";

const scope = ["List", "groups/0"];
const wish = { pageSize: 0, pageToken: "", sizeDefault: 3, sizeMax: 5, scope };
const six = [0, 1, 2, 3, 4, 10];

test("takePage: size 0 is the default, and a larger one than the maximum is lowered", () => {
  const sizeOf = (pageSize: number) =>
    takePage(six, (item) => item, { ...wish, pageSize }).items.length;
  expect([0, 1, 5, 6, 1000].map(sizeOf)).toEqual([3, 1, 5, 5, 5]);
});

test("takePage: the last page has no token, also when it is full or there is nothing", () => {
  const whole = takePage(six.slice(0, 3), (item) => item, wish);
  expect(whole).toEqual({ items: [0, 1, 2], nextPageToken: "" });
  expect(takePage([], (item: number) => item, wish)).toEqual({ items: [], nextPageToken: "" });
});

test("takePage: what comes and goes between pages repeats nothing and leaves nothing out", () => {
  const first = takePage(six, (item) => item, wish);
  const changed = [1, 2, 2.5, 4, 10]; // the last of the page before is gone, one more has come
  const { items } = takePage(changed, (item) => item, {
    ...wish,
    pageToken: first.nextPageToken,
  });
  expect(items).toEqual([2.5, 4, 10]);
});

test.each([[["3", "4"]], [[""]]])("takePage: a token with the place %j is refused", (place) => {
  const pageToken = encodePageToken(scope, place);
  expect(() => takePage(six, (item) => item, { ...wish, pageToken })).toThrow("page_token");
});

test("takePage: pages of any size add up to the list, numbers and texts", () => {
  const add = <Item extends number | string>(items: readonly Item[], pageSize: number): Item[] => {
    const all: Item[] = [];
    let pageToken = "";
    do {
      const page = takePage(items, (item) => item, { ...wish, pageSize, pageToken });
      all.push(...page.items);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return all;
  };
  const numbers = fc.uniqueArray(fc.nat(2000)).map((items) => items.sort((a, b) => a - b));
  const texts = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,8}$/)).map((items) => items.sort());
  fc.assert(
    fc.property(numbers, texts, fc.nat(7), (some, others, size) => {
      expect(add(some, size)).toEqual(some);
      expect(add(others, size)).toEqual(others);
    }),
  );
});
