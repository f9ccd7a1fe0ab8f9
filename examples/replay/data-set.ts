/**
 * The real data: departures of American flights (2001) and a week of earthquakes (USGS, 2018), from
 * the package vega-datasets.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { DatedEvent } from "./time-line.ts";

const folder = path.join(import.meta.dirname, "../../node_modules/vega-datasets/data");

/** Flights and earthquakes, each with its own time. */
export interface DataSet {
  readonly flights: readonly DatedEvent[];
  readonly earthquakes: readonly DatedEvent[];
}

interface Flight {
  /** "2001/01/31 06:55". */
  readonly date: string;
}

interface Earthquake {
  readonly properties: { readonly mag: number; readonly place: string; readonly time: number };
  readonly geometry: { readonly coordinates: readonly number[] };
}

/** Reads both files. */
export async function readDataSet(): Promise<DataSet> {
  const flights = (await readJson("flights-20k.json")) as readonly Flight[];
  const { features } = (await readJson("earthquakes.json")) as { features: readonly Earthquake[] };
  return {
    flights: flights.map((flight) => ({ atMs: Date.parse(`${flight.date} UTC`), event: flight })),
    earthquakes: features.map(({ properties, geometry }) => ({
      atMs: properties.time,
      event: { mag: properties.mag, place: properties.place, at: geometry.coordinates },
    })),
  };
}

async function readJson(name: string): Promise<unknown> {
  return JSON.parse(await readFile(path.join(folder, name), "utf8"));
}
