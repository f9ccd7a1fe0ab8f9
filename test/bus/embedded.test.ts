/** The embedded bus keeps the contract. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { busContract } from "./contract.ts";

const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-bus-"));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

busContract("embedded", () => openEmbeddedBus({ dataDir }));
