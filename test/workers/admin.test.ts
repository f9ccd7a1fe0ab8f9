/** The admin port: what it answers where. */
import { expect, onTestFinished, test } from "vitest";
import { startAdmin } from "../../workers/admin.ts";

async function answers(metrics: (() => Promise<string>) | null) {
  const health = async () => ({ isReady: true, body: { status: "ok" } });
  const file = { headers: { "Content-Type": "text/html" }, body: "<p>page</p>" };
  const page = async (path: string) => (path === "/" ? file : null);
  const isHostAllowed = () => true;
  const admin = await startAdmin("127.0.0.1", 0, { health, metrics, page, isHostAllowed });
  onTestFinished(() => admin.close());
  return async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${admin.port}${path}`);
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      text: await response.text(),
    };
  };
}

test("/metrics: the control plane's numbers in Prometheus's format", async () => {
  const get = await answers(async () => "tidegate_gateways 3\n");
  const type = "text/plain; version=0.0.4; charset=utf-8";
  expect(await get("/metrics")).toEqual({ status: 200, type, text: "tidegate_gateways 3\n" });
  expect((await get("/readyz")).status).toBe(200);
});

test("/metrics: 503 while the fleet can not be read, 404 without a control plane", async () => {
  const failing = await answers(() => Promise.reject(new Error("no bus")));
  expect((await failing("/metrics")).status).toBe(503);
  const none = await answers(null);
  expect((await none("/metrics")).status).toBe(404);
});

test("the page is there, and nothing else", async () => {
  const get = await answers(null);
  expect(await get("/")).toEqual({ status: 200, type: "text/html", text: "<p>page</p>" });
  expect((await get("/other")).status).toBe(404);
});
