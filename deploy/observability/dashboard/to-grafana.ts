/**
 * The dashboard as Grafana's JSON.
 *
 * Pure. Panels stand in the order of their rows: numbers six in a line, graphs three.
 */
import { type Panel, type Row, UNITS } from "./panel.ts";

/** Columns of Grafana's grid. */
const GRID_WIDTH = 24;
/** Of a panel, in columns and in lines of the grid, by kind. */
const SIZES = { number: { w: 4, h: 4 }, lines: { w: 8, h: 7 } } as const;
/** Of Grafana 12; later ones read it too. */
const SCHEMA_VERSION = 41;

/** Whatever the reader picks, queries go to. */
const datasource = { type: "prometheus", uid: "$datasource" };

interface Place {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** The JSON of a dashboard with these rows. */
export function toGrafana(rows: readonly Row[]): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    const id = () => panels.length + 1;
    const gridPos = { x: 0, y, w: GRID_WIDTH, h: 1 };
    panels.push({ id: id(), type: "row", title: row.title, collapsed: false, gridPos, panels: [] });
    y += 1;
    for (const { panel, place } of placePanels(row.panels, y)) {
      panels.push({ id: id(), ...toPanel(panel), gridPos: place });
      y = Math.max(y, place.y + place.h);
    }
  }
  return {
    uid: "tidegate",
    title: "Tidegate",
    description: "Made by `npm run generate` from deploy/observability/dashboard. Do not edit.",
    tags: ["tidegate"],
    schemaVersion: SCHEMA_VERSION,
    editable: true,
    graphTooltip: 1, // one cursor over all panels
    time: { from: "now-30m", to: "now" },
    refresh: "10s",
    timezone: "browser",
    templating: { list: variables() },
    annotations: { list: [] },
    links: [],
    panels,
  };
}

function placePanels(panels: readonly Panel[], top: number): { panel: Panel; place: Place }[] {
  let x = 0;
  let y = top;
  let lineHeight = 0;
  return panels.map((panel) => {
    const size = SIZES[panel.kind ?? "lines"];
    if (x + size.w > GRID_WIDTH) {
      x = 0;
      y += lineHeight;
      lineHeight = 0;
    }
    const place = { x, y, ...size };
    x += size.w;
    lineHeight = Math.max(lineHeight, size.h);
    return { panel, place };
  });
}

function toPanel(panel: Panel): object {
  const { title, about, unit, kind = "lines", queries, alertFrom, hasExemplars = false } = panel;
  const targets = queries.map(([expr, legendFormat], i) => ({
    refId: String.fromCharCode("A".charCodeAt(0) + i),
    datasource,
    expr,
    legendFormat,
    ...(kind === "number" ? { instant: true, range: false } : { range: true }),
    ...(hasExemplars ? { exemplar: true } : {}),
  }));
  const steps = [{ color: "green", value: null as number | null }];
  if (alertFrom !== undefined) steps.push({ color: "red", value: alertFrom });
  const defaults = {
    unit: UNITS[unit],
    min: 0,
    color: { mode: kind === "number" ? "thresholds" : "palette-classic" },
    thresholds: { mode: "absolute", steps },
  };
  const common = { title, description: about, datasource, targets };
  if (kind === "number") {
    const reduceOptions = { calcs: ["lastNotNull"], fields: "", values: false };
    const options = { reduceOptions, colorMode: "value", graphMode: "none", textMode: "value" };
    return { type: "stat", ...common, fieldConfig: { defaults, overrides: [] }, options };
  }
  const custom = {
    ...{ drawStyle: "line", lineWidth: 1, fillOpacity: 10, showPoints: "never" },
    thresholdsStyle: { mode: alertFrom === undefined ? "off" : "dashed" },
  };
  const options = {
    legend: { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] },
    tooltip: { mode: "multi", sort: "desc" },
  };
  const fieldConfig = { defaults: { ...defaults, custom }, overrides: [] };
  return { type: "timeseries", ...common, fieldConfig, options };
}

/** What the reader picks above the panels. */
function variables(): object[] {
  const source = { name: "datasource", label: "Data source", type: "datasource", hide: 0 };
  const ask = (name: string, label: string, query: string, more: object) => {
    const asked = { query, refId: "A", qryType: 1 };
    const all = { name, label, type: "query", datasource, query: asked };
    return { ...all, refresh: 2, sort: 1, hide: 0, includeAll: false, multi: false, ...more };
  };
  const many = { includeAll: true, multi: true, allValue: ".*" };
  return [
    { ...source, query: "prometheus", refresh: 1, includeAll: false, multi: false },
    ask("job", "Fleet", "label_values(tidegate_connections, job)", {}),
    ask("gateway", "Gateway", 'label_values(tidegate_connections{job="$job"}, gateway)', {}),
    ask("class", "Room class", 'label_values(tidegate_messages_total{job="$job"}, class)', many),
  ];
}
