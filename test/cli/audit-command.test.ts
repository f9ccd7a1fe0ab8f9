/**
 * `tidegatectl audit` against a real control plane.
 */
import { beforeAll, expect, test } from "vitest";
import { parseTime } from "../../cli/audit-program.ts";
import { openControlPlane } from "../controlplane/start-control-plane.ts";
import { runCli } from "./run-cli.ts";

let address = "";

beforeAll(async () => {
  const opened = await openControlPlane();
  address = opened.plane.address;
  return () => opened.close();
});

function run(args: readonly string[], input = "") {
  return runCli(args, { env: { TIDEGATE_CONTROL: address }, input });
}

test("audit: what tidegatectl changed, what was refused, and only what is asked for", async () => {
  const made = '{"name": "game", "mode": "durable"}';
  const changed = '{"name": "game", "historyCountMax": 7}';
  expect(await run(["class", "apply", "-f", "-"], made)).toMatchObject({ code: 0 });
  expect(await run(["class", "apply", "-f", "-"], changed)).toMatchObject({ code: 0 });
  expect(await run(["class", "delete", "game", "--etag", "999"])).toMatchObject({ code: 6 });
  const { stdout, code } = await run(["audit"]);
  expect(code).toBe(0);
  const [head, ...rows] = stdout.trimEnd().split("\n");
  expect(head).toMatch(/^TIME +WHO +CALL +RESOURCE +OUTCOME +CHANGE$/);
  expect(rows).toHaveLength(3);
  const name = "tenants/default/roomClasses/game";
  expect(rows[0]).toMatch(new RegExp(`anonymous +DeleteRoomClass +${name} +ETAG_MISMATCH +`));
  expect(rows[1]).toMatch(/UpdateRoomClass .* OK +historyCountMax: 1000 -> 7$/);
  expect(rows[2]).toMatch(/CreateRoomClass|UpdateRoomClass/);
  const refused = await run(["audit", "--refused", "-o", "json"]);
  expect(JSON.parse(refused.stdout)).toMatchObject([{ outcome: "ETAG_MISMATCH", resource: name }]);
  const limited = await run(["audit", "--limit", "1", "--resource", "tenants/default"]);
  expect(limited.stdout.trimEnd().split("\n")).toHaveLength(2);
  const future = await run(["audit", "--since", "2999-01-01", "-o", "json"]);
  expect(JSON.parse(future.stdout)).toEqual([]);
});

test("audit: bad times are usage errors, and what is wrong is said", async () => {
  for (const time of ["", "5", "5y", "yesterday", "2026-13-45"]) {
    const ended = await run(["audit", "--since", time]);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain("30m, 24h, 7d");
  }
  const turned = await run(["audit", "--since", "1h", "--until", "2h"]);
  expect(turned.stderr).toContain("end_time");
  expect(turned.code).not.toBe(0);
  expect(Math.abs(parseTime("2h").getTime() - (Date.now() - 7_200_000))).toBeLessThan(10_000);
});
