/**
 * What is wrong with a version gate: the one list that the control plane refuses by, and gateways
 * nack by.
 *
 * Pure. Contradictions are faults too: a gate that can not do what it says would be found out in an
 * outage.
 */
import type { Range } from "semver";
import { GateAction, type VersionGate } from "../gen/tidegate/control/v1/version_gate.ts";
import { isClassName, isTenantName } from "../room-name.ts";
import { isSetName } from "./names.ts";
import { isOverlapping, isWithin, parseRange } from "./semver.ts";

/** Room classes of a gate. */
export const GATE_CLASS_COUNT_MAX = 16;
/** Sets of a gate. */
export const GATE_SET_COUNT_MAX = 8;
/** Largest priority. */
export const GATE_PRIORITY_MAX = 1000;
/** Bytes of client and platform, as Hello may have them. */
const BUILD_PART_BYTES_MAX = 64;
/** Bytes of message and URL: they are in a frame, and on a screen. */
const TEXT_BYTES_MAX = 512;
/** Schemes of download URLs: pages, and what opens a store. Never one that runs something. */
const urlSchemes = ["https:", "http:", "market:", "itms-apps:", "ms-windows-store:"];
const controlCharacter = /\p{Cc}/u;

/** One fault. */
export interface GateFault {
  /** Field of VersionGate, e.g. "sets[1].versions". */
  readonly path: string;
  /** A sentence without subject, e.g. "is missing". */
  readonly description: string;
}

/** Every fault of a gate; whether its classes exist is not looked at. */
export function checkGate(gate: VersionGate): GateFault[] {
  const faults: GateFault[] = [];
  const refuse = (path: string, description: string) => faults.push({ path, description });
  const tenant = gate.tenant.replace(/^tenants\//, "");
  if (gate.tenant !== "" && (!gate.tenant.startsWith("tenants/") || !isTenantName(tenant))) {
    refuse("tenant", `${shown(gate.tenant)} is not "tenants/{tenant}"`);
  }
  checkText(gate.client, "client", BUILD_PART_BYTES_MAX, refuse);
  checkText(gate.platform, "platform", BUILD_PART_BYTES_MAX, refuse);
  checkText(gate.message, "message", TEXT_BYTES_MAX, refuse);
  checkUrl(gate.downloadUrl, refuse);
  checkClasses(gate.roomClasses, refuse);
  if (gate.percent !== undefined && gate.percent > 100) {
    refuse("percent", `${gate.percent} is not from 0 to 100`);
  }
  if (gate.priority > GATE_PRIORITY_MAX) {
    refuse("priority", `${gate.priority} is not from 0 to ${GATE_PRIORITY_MAX}`);
  }
  const required = checkRange(gate.required, "required", refuse);
  const versions = checkRange(gate.versions, "versions", refuse);
  checkRange(gate.gateways, "gateways", refuse);
  checkAction(gate, { required, versions }, refuse);
  checkSets(gate, versions, refuse);
  return faults;
}

type Refuse = (path: string, description: string) => void;

function checkText(text: string, path: string, bytesMax: number, refuse: Refuse): void {
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) refuse(path, `has ${bytes} bytes, at most ${bytesMax}`);
  else if (controlCharacter.test(text)) refuse(path, "has control characters");
}

function checkUrl(url: string, refuse: Refuse): void {
  if (url === "") return;
  checkText(url, "download_url", TEXT_BYTES_MAX, refuse);
  const isUrl = URL.canParse(url) && urlSchemes.includes(new URL(url).protocol);
  if (!isUrl) refuse("download_url", `${shown(url)} is no URL of ${urlSchemes.join(", ")}`);
}

function checkClasses(classes: readonly string[], refuse: Refuse): void {
  if (classes.length > GATE_CLASS_COUNT_MAX) {
    refuse("room_classes", `has ${classes.length} classes, at most ${GATE_CLASS_COUNT_MAX}`);
    return;
  }
  for (const [i, roomClass] of classes.entries()) {
    const path = `room_classes[${i}]`;
    if (!isClassName(roomClass)) refuse(path, `${shown(roomClass)} is not [a-z][a-z0-9-]{0,31}`);
    else if (classes.indexOf(roomClass) < i) refuse(path, `${shown(roomClass)} is named twice`);
  }
}

/** Null when it is empty, or no range. */
function checkRange(text: string, path: string, refuse: Refuse): Range | null {
  if (text === "") return null;
  const range = parseRange(text);
  if (typeof range !== "string") return range;
  refuse(path, range);
  return null;
}

function checkAction(
  gate: VersionGate,
  { required, versions }: { required: Range | null; versions: Range | null },
  refuse: Refuse,
): void {
  const { action } = gate;
  const acts = action !== GateAction.UNSPECIFIED;
  if (action < 0 || action > GateAction.REFUSE) {
    refuse("action", `${action} is not ALLOW (1), WARN (2), READ_ONLY (3) or REFUSE (4)`);
  }
  if (!acts && gate.sets.length === 0 && gate.gateways === "") {
    refuse("action", "is missing: the gate has no sets and no gateways either, and does nothing");
  }
  const isAboutVersions = gate.required !== "" || gate.versions !== "";
  if (acts && !isAboutVersions) {
    refuse("versions", "is missing, and so is required: say which versions the gate is about");
  }
  if (required !== null && versions !== null && isOverlapping(required, versions)) {
    refuse(
      "required",
      `${shown(gate.required)} holds versions that the gate is about, ${shown(gate.versions)}: ` +
        "who installs one would be met by the gate again",
    );
  }
  if (action === GateAction.ALLOW) checkAllow(gate, refuse);
  if (!acts && gate.gateways === "" && gate.sets.length > 0) {
    for (const [path, isGiven] of [
      ["message", gate.message !== ""],
      ["download_url", gate.downloadUrl !== ""],
      ["percent", gate.percent !== undefined],
      ["required", gate.required !== ""],
      ["versions", gate.versions !== ""],
    ] as const) {
      if (isGiven) refuse(path, "means nothing for sets: give an action too, or leave it out");
    }
  }
  if (gate.gateways === "") return;
  if (gate.roomClasses.length > 0) {
    refuse("gateways", "is about connections; room_classes does not go with it");
  }
  if (gate.percent !== undefined) refuse("percent", "does not go with gateways");
}

/** Who is allowed is told nothing. */
function checkAllow(gate: VersionGate, refuse: Refuse): void {
  const given = [
    ["required", gate.required],
    ["message", gate.message],
    ["download_url", gate.downloadUrl],
  ] as const;
  for (const [path, text] of given) {
    if (text !== "") refuse(path, "goes with WARN, READ_ONLY and REFUSE: ALLOW tells nothing");
  }
}

function checkSets(gate: VersionGate, versions: Range | null, refuse: Refuse): void {
  const { sets } = gate;
  if (sets.length > GATE_SET_COUNT_MAX) {
    refuse("sets", `has ${sets.length} sets, at most ${GATE_SET_COUNT_MAX}`);
    return;
  }
  const ranges: (Range | null)[] = [];
  for (const [i, { name, versions: text }] of sets.entries()) {
    const path = `sets[${i}]`;
    if (!isSetName(name)) refuse(`${path}.name`, `${shown(name)} is not [a-z][a-z0-9-]{0,15}`);
    if (sets.findIndex((other) => other.name === name) < i) {
      refuse(`${path}.name`, `${shown(name)} is named twice`);
    }
    if (text === "") refuse(`${path}.versions`, "is missing");
    const range = checkRange(text, `${path}.versions`, refuse);
    for (const [j, other] of ranges.entries()) {
      if (range === null || other === null || !isOverlapping(range, other)) continue;
      const both = `${shown(text)} and ${shown(sets[j]?.versions ?? "")} of sets[${j}]`;
      refuse(`${path}.versions`, `${both} have versions in common: a build is in one set`);
    }
    ranges.push(range);
    const isRefused = gate.action === GateAction.REFUSE && (gate.percent ?? 100) === 100;
    if (isRefused && range !== null && versions !== null && isWithin(range, versions)) {
      refuse(`${path}.versions`, "are all refused by this very gate: nobody can be in the set");
    }
  }
}

/** A text as it may stand in an error: quoted, escaped and cut. */
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
