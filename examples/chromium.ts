/**
 * Finds a Chromium that is installed, and says how to run it without a screen and without calling
 * home.
 */
import { existsSync } from "node:fs";

const usualPlaces = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Arguments for a browser that shows only our own pages. */
export const CHROMIUM_ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Path of a Chromium, or null when there is none.
 *
 * @param wanted look only there, when given: what CHROMIUM in the environment says.
 */
export function findChromium(wanted?: string): string | null {
  const places = wanted ? [wanted] : usualPlaces;
  return places.find((place) => existsSync(place)) ?? null;
}
