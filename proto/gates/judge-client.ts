/**
 * What version gates decide about a client, and why.
 *
 * Pure. Gateways ask it at Hello, at Join and when a gate changes; the control plane to tell what a
 * given client would get; both by this file, so they can not disagree.
 */
import { createHash } from "node:crypto";
import type { SemVer } from "semver";
import type { BuildFacts } from "../client-context.ts";
import { GateAction } from "../gen/tidegate/control/v1/version_gate.ts";
import type { Gate } from "./compile-gate.ts";
import { siblingName } from "./names.ts";
import { parseVersion } from "./semver.ts";

/** A build, with its version read. */
export interface Build extends BuildFacts {
  /** Null when it is no semantic version. */
  readonly semver: SemVer | null;
}

/** Whom gates look at. */
export interface GateSubject {
  readonly tenant: string;
  /**
   * What percentages are made of: the user; for an anonymous client something that lasts as long as
   * the client.
   */
  readonly key: string;
  readonly build: Build;
}

/** Why a gate does not concern a client; null when it does. */
export type Miss = "tenant" | "client" | "platform" | "class" | "versions" | "percent" | null;

/** Reads the version of a build, once for each build. */
export function readBuild({ name, version, platform }: BuildFacts): Build {
  return { name, version, platform, semver: parseVersion(version) };
}

/**
 * Whether a gate's action concerns a client.
 *
 * @param roomClass of the room that it joins; null when the connection is judged.
 */
export function judgeGate(gate: Gate, subject: GateSubject, roomClass: string | null): Miss {
  const who = judgeWho(gate, subject);
  if (who !== null) return who;
  if (roomClass === null ? gate.roomClasses !== null : !gate.roomClasses?.has(roomClass)) {
    return "class";
  }
  if (!isAbout(gate, subject.build.semver)) return "versions";
  const isPart = gate.percent >= 100 || shareOf(gate.id, subject.key) < gate.percent;
  return isPart ? null : "percent";
}

/**
 * The gate that decides, or null: nothing concerns the client. One whose action is ALLOW decides
 * too.
 *
 * @param gates in the order of `orderGates`.
 * @param roomClass as of {@link judgeGate}.
 */
export function chooseGate(
  gates: readonly Gate[],
  subject: GateSubject,
  roomClass: string | null,
): Gate | null {
  for (const gate of gates) {
    if (gate.action === GateAction.UNSPECIFIED) continue;
    if (judgeGate(gate, subject, roomClass) === null) return gate;
  }
  return null;
}

/** Where a client finds itself that names a room. */
export interface Place {
  /** The room, or its sibling. */
  readonly room: string;
  /** Gate whose set that is; null when the room is the one that was named. */
  readonly gate: Gate | null;
  /** True: it names the sibling of another set, and may not go there. */
  readonly isForeign: boolean;
}

/**
 * The room for a client that names one: the first gate in order that has a set with its build.
 *
 * @param room its full name.
 */
export function choosePlace(
  gates: readonly Gate[],
  subject: GateSubject,
  roomClass: string,
  room: string,
): Place {
  let own: string | null = null;
  let chosen: Gate | null = null;
  let isSibling = false;
  for (const gate of gates) {
    if (gate.sets.length === 0 || gate.roomClasses?.has(roomClass) === false) continue;
    if (gate.tenant !== "" && gate.tenant !== subject.tenant) continue;
    isSibling ||= gate.sets.some(({ name }) => room.endsWith(`~${name}`));
    if (own !== null || judgeWho(gate, subject) !== null) continue;
    own = setOf(gate, subject.build);
    if (own !== null) chosen = gate;
  }
  if (isSibling) {
    const isOwn = own !== null && room.endsWith(`~${own}`);
    return { room, gate: null, isForeign: !isOwn };
  }
  return { room: own === null ? room : siblingName(room, own), gate: chosen, isForeign: false };
}

/** The gates that limit where a client may be sent. */
export function gatewayRules(gates: readonly Gate[], subject: GateSubject): Gate[] {
  return gates.filter((gate) => {
    const isRule = gate.gateways !== null && judgeWho(gate, subject) === null;
    return isRule && (!hasVersions(gate) || isAbout(gate, subject.build.semver));
  });
}

/** Whether a client under these rules may be sent to a gateway of that version. */
export function isCompatible(rules: readonly Gate[], gatewayVersion: string): boolean {
  if (rules.length === 0) return true;
  const version = parseVersion(gatewayVersion);
  return version !== null && rules.every(({ gateways }) => gateways?.test(version) ?? true);
}

/** Why a gate concerns a client or not, as a sentence. */
export function explainMiss(gate: Gate, subject: GateSubject, miss: Miss): string {
  const { build, tenant } = subject;
  const version = `version ${JSON.stringify(build.version)}`;
  switch (miss) {
    case "tenant":
      return `is about tenant ${gate.tenant}, not ${tenant}`;
    case "client":
      return `is about client ${JSON.stringify(gate.client)}, not ${JSON.stringify(build.name)}`;
    case "platform":
      return `is about platform ${JSON.stringify(gate.platform)}, not ${JSON.stringify(build.platform)}`;
    case "class":
      return gate.roomClasses === null
        ? "is about connections"
        : `is about rooms of ${[...gate.roomClasses].join(", ")}`;
    case "versions":
      return gate.versions === null
        ? `${version} is in ${gate.required?.raw ?? ""}, as wanted`
        : `${version} is not in ${gate.versions.raw}`;
    case "percent": {
      const share = shareOf(gate.id, subject.key).toFixed(1);
      return `is for ${gate.percent} % of users; this one stands at ${share}`;
    }
    case null: {
      if (build.semver === null) return `${version} is no semantic version`;
      return gate.versions === null
        ? `${version} is not in ${gate.required?.raw ?? ""}`
        : `${version} is in ${gate.versions.raw}`;
    }
    default:
      return miss satisfies never;
  }
}

function judgeWho(gate: Gate, { tenant, build }: GateSubject): Miss {
  if (gate.tenant !== "" && gate.tenant !== tenant) return "tenant";
  if (gate.client !== "" && gate.client !== build.name) return "client";
  if (gate.platform !== "" && gate.platform !== build.platform) return "platform";
  return null;
}

function hasVersions(gate: Gate): boolean {
  return gate.versions !== null || gate.required !== null;
}

/** A text that is no version is in no range, and so not in the one that is wanted. */
function isAbout(gate: Gate, semver: SemVer | null): boolean {
  if (gate.versions !== null) return semver !== null && gate.versions.test(semver);
  return semver === null || gate.required === null || !gate.required.test(semver);
}

function setOf(gate: Gate, { semver }: Build): string | null {
  if (semver === null) return null;
  return gate.sets.find(({ versions }) => versions.test(semver))?.name ?? null;
}

/** Where a user stands among all for one gate, 0 to below 100: evenly spread, always the same. */
function shareOf(gate: string, key: string): number {
  const hash = createHash("sha256").update(`${gate}\0${key}`).digest();
  return (hash.readUInt32BE(0) / 2 ** 32) * 100;
}
