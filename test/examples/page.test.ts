/** The demo page in a real browser: chat, a cut that shows nothing missing, keyboard, phones. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../examples/chromium.ts";
import { type Server, startServer } from "../start-server.ts";

const executablePath = findChromium(process.env.CHROMIUM);
let server: Server;
let browser: Browser;
let roomCount = 0;

beforeAll(async () => {
  if (executablePath === null) return;
  server = await startServer({ env: { PAGE: "on" } });
  browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach((context) => {
  if (executablePath === null) context.skip("no Chromium on this machine (Debian: chromium)");
});

/** A room that no other test is in. */
function newRoom(roomClass = "chat"): string {
  roomCount += 1;
  return `${roomClass}:page-${roomCount}`;
}

/** Opens the page; anything it says on the console, or throws, fails the test. */
async function openPage(
  room: string,
  options: BrowserContextOptions = {},
  http = server.http,
): Promise<Page> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    const isBad = ["error", "warning"].includes(message.type());
    // The browser's own word on a server that is down, which one test brings about.
    const isExpected = message.text().includes("ERR_CONNECTION_REFUSED");
    if (isBad && !isExpected) complaints.push(message.text());
  });
  onTestFinished(async () => {
    await context.close();
    expect(complaints).toEqual([]);
  });
  await page.goto(`${http}/#${room}`);
  await page.getByText(`You are in ${room}.`).first().waitFor({ state: "attached" });
  return page;
}

/** Sends a line and waits for its acknowledgement. */
async function say(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
  await page.locator(".line.own:not(.pending) .text").getByText(text, { exact: true }).waitFor();
}

const linesOf = (page: Page) => page.locator(".line:not(.pending) .text").allTextContents();
const waitForLine = (page: Page, text: string) =>
  page.locator(".line .text").getByText(text, { exact: true }).waitFor();
const countOf = async (page: Page, name: string) =>
  Number(await page.locator(`#count-${name}`).textContent());
const waitForPill = (page: Page, state: string) =>
  page.locator(`#pill[data-state="${state}"]`).waitFor();

/** Pixels that stick out on the right. */
const overflowOf = (page: Page) =>
  page.evaluate<number>(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
const focusOf = (page: Page) =>
  page.evaluate<string>(`(() => {
    const at = document.activeElement;
    if (getComputedStyle(at).outlineStyle === "none") return "no outline";
    return at.id || at.textContent.trim() || at.tagName;
  })()`);

describe("page", () => {
  test("shows what members write, as text", async () => {
    const room = newRoom();
    const [ada, ben] = [await openPage(room), await openPage(room)];
    await ada.fill("#name", "Ada <b>");
    const hostile = `<img src=x onerror="document.title='owned'"> & more`;
    await say(ada, hostile);
    await waitForLine(ben, hostile);
    await say(ben, "seen");
    await waitForLine(ada, "seen");
    expect(await linesOf(ada)).toEqual([hostile, "seen"]);
    expect(await linesOf(ben)).toEqual([hostile, "seen"]);
    expect(await ben.locator(".line b").first().textContent()).toBe("Ada <b>");
    expect(await ben.locator("#messages img, #messages b b").count()).toBe(0);
    expect(await ben.title()).toBe("Tidegate: live demo");
  });

  test("brings what was sent during a cut, once and in order", async () => {
    const room = newRoom();
    const [ada, ben] = [await openPage(room), await openPage(room)];
    await say(ben, "before");
    await waitForLine(ada, "before");
    await ada.click("#cut"); // and a second member begins to send
    await waitForPill(ada, "reconnecting");
    for (let at = 1; at <= 5; at += 1) await say(ben, `during ${at}`);
    const away = await linesOf(ada);
    await waitForPill(ada, "open");
    await say(ben, "after");
    await waitForLine(ada, "after");
    const during = [1, 2, 3, 4, 5].map((at) => `during ${at}`);
    expect(away).toEqual(["before"]);
    expect(await linesOf(ada)).toEqual(["before", ...during, "after"]);
    const beats = (await ada.locator(".counts span").allTextContents()).map(Number);
    expect(beats).toEqual(beats.map((_, at) => at + 1));
    expect(await ada.locator(".line.recovered").count()).toBe(5);
    expect(await countOf(ada, "recovered")).toBeGreaterThanOrEqual(5);
    for (const fault of ["missing", "doubled", "out-of-order"]) {
      expect(await countOf(ada, fault), fault).toBe(0);
    }
    expect(await ada.locator("#story").textContent()).toMatch(
      /^Back after .* recovered: none missing, none doubled, in order\.$/,
    );
  });

  test("goes on where it was after kill -9 and a restart of the server", async () => {
    const mortal = await startServer({ env: { PAGE: "on" } });
    onTestFinished(() => mortal.close());
    const page = await openPage(newRoom(), {}, mortal.http);
    await page.click(".switch");
    await page.locator(".counts .live").nth(4).waitFor();
    await mortal.kill();
    await waitForPill(page, "reconnecting");
    const { dataDir, port, controlPort } = mortal;
    const next = await startServer({ env: { PAGE: "on" }, dataDir, port, controlPort });
    onTestFinished(() => next.close());
    await waitForPill(page, "open");
    const seen = await page.locator(".counts span").count();
    await page
      .locator(".counts span")
      .nth(seen + 5)
      .waitFor();
    const beats = (await page.locator(".counts span").allTextContents()).map(Number);
    expect(beats).toEqual(beats.map((_, at) => at + 1));
    for (const fault of ["missing", "doubled", "out-of-order"]) {
      expect(await countOf(page, fault), fault).toBe(0);
    }
  });

  test("says what an ephemeral room lost during a cut", async () => {
    const page = await openPage(newRoom("live"));
    await page.selectOption("#cut-for", "1");
    await page.click("#cut");
    await waitForPill(page, "reconnecting");
    await waitForPill(page, "open");
    await page.locator(".gap").waitFor();
    await page.locator("#count-missing.some").waitFor();
    const lost = await countOf(page, "missing");
    expect(lost).toBeGreaterThan(0);
    const story = (await page.locator("#story").textContent()) ?? "";
    expect(story).toContain("lost: this room is ephemeral");
    expect(await countOf(page, "recovered")).toBe(0);
  });

  test("keeps room and name over a reload, and shows what was written", async () => {
    const room = newRoom();
    const page = await openPage(room);
    await page.fill("#name", "Grace");
    await page.press("#name", "Tab");
    await say(page, "first");
    await page.reload();
    await waitForLine(page, "first");
    expect(await page.inputValue("#room")).toBe(room);
    expect(await page.inputValue("#name")).toBe("Grace");
    await say(page, "second");
    expect(await linesOf(page)).toEqual(["first", "second"]);
  });

  test("is used by keyboard alone, with the focus in sight", async () => {
    const first = newRoom();
    const page = await openPage(first);
    const stops: string[] = [];
    await page.locator("#room").focus();
    for (let at = 0; at < 9; at += 1) {
      stops.push(await focusOf(page));
      await page.keyboard.press("Tab");
    }
    const buttons = ["Join", "messages", "text", "Send", "cut", "cut-for", "beat"];
    expect(stops).toEqual(["room", "name", ...buttons]);
    const second = newRoom();
    await page.locator("#room").focus();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type(second);
    await page.keyboard.press("Enter");
    await page.getByText(`You are in ${second}.`).first().waitFor({ state: "attached" });
    await page.keyboard.type("typed"); // the focus is where one writes next
    await page.keyboard.press("Enter");
    await waitForLine(page, "typed");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await waitForPill(page, "reconnecting");
    expect(await focusOf(page)).toBe("cut");
    await waitForPill(page, "open");
  });

  test("tells what is wrong with a room's name, and stays in the room it has", async () => {
    const room = newRoom();
    const page = await openPage(room);
    await page.fill("#room", "no class");
    await page.press("#room", "Enter");
    const problem = page.getByRole("alert");
    await problem.waitFor();
    expect(await problem.textContent()).toContain("ROOM_NAME_INVALID");
    expect(await problem.textContent()).toContain('write "class:name"');
    await page.keyboard.press("Escape");
    expect(await problem.count()).toBe(0);
    expect(await page.evaluate("decodeURIComponent(location.hash)")).toBe(`#${room}`);
    await say(page, "still here");
    expect(await linesOf(page)).toEqual(["still here"]);
  });

  test("joins a room with a strange name from the address", async () => {
    const room = `${newRoom()}/a b %*>.ü🙂`;
    const page = await openPage(newRoom());
    await page.goto(`${server.http}/#${encodeURIComponent(room)}`);
    await page.getByText(`You are in ${room}.`).first().waitFor();
    expect(await page.inputValue("#room")).toBe(room);
    await page.goBack();
    await page.getByText(`You are in chat:page-${roomCount}.`).first().waitFor();
  });

  test("fits a phone of 360 pixels, whatever is written", async () => {
    const page = await openPage(newRoom(), { viewport: { width: 360, height: 740 } });
    await say(page, "w".repeat(500));
    await page.fill("#room", `x${"y".repeat(150)}`);
    await page.press("#room", "Enter");
    await page.getByRole("alert").waitFor();
    expect(await overflowOf(page)).toBe(0);
    await page.keyboard.press("Escape");
    await page.click("#cut");
    await waitForPill(page, "reconnecting");
    expect(await overflowOf(page)).toBe(0);
    for (const id of ["room", "text", "cut", "beat"]) {
      expect(await page.locator(`#${id}`).isVisible(), id).toBe(true);
    }
  });

  test("moves nothing about while messages come and the connection goes", async () => {
    const page = await openPage(newRoom());
    await page.evaluate(`
      window.shifted = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifted += entry.value;
      }).observe({ type: "layout-shift" });`);
    await page.selectOption("#cut-for", "1");
    await page.click("#cut");
    await waitForPill(page, "reconnecting");
    await waitForPill(page, "open");
    await page.locator(".counts .recovered").first().waitFor();
    // Browsers call up to 0.1 good; 0.001 is one word of the pill.
    expect(await page.evaluate("window.shifted")).toBeLessThan(0.001);
  });
});
