/** Writes Grafana's dashboard from its lists of panels: a part of `npm run generate`. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ROWS } from "./dashboard/rows.ts";
import { toGrafana } from "./dashboard/to-grafana.ts";

const file = path.join(import.meta.dirname, "grafana/tidegate.json");
const biome = path.join(import.meta.dirname, "../../node_modules/.bin/biome");

writeFileSync(file, JSON.stringify(toGrafana(ROWS)));
execFileSync(biome, ["format", "--write", file], { stdio: "inherit" });
