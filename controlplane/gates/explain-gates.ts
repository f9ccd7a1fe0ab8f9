/**
 * What a given client would get of version gates, and why.
 *
 * Pure: asks what gateways ask, of the same gates in the same order.
 */

import type { Gate } from "../../proto/gates/compile-gate.ts";
import {
  chooseGate,
  choosePlace,
  explainMiss,
  type GateSubject,
  gatewayRules,
  judgeGate,
  type Place,
} from "../../proto/gates/judge-client.ts";
import { gateName } from "../../proto/gates/names.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import type {
  TestVersionGatesResponse,
  VersionGateFinding,
  VersionGateVerdict,
} from "../../proto/gen/tidegate/control/v1/version_gate_service.ts";

/** A room that the client would join. */
export interface AskedRoom {
  readonly name: string;
  readonly class: string;
}

/** The answer. @param gates in the order of `orderGates`. @param room null: none is asked for. */
export function explainGates(
  gates: readonly Gate[],
  subject: GateSubject,
  room: AskedRoom | null,
): TestVersionGatesResponse {
  const ofConnection = chooseGate(gates, subject, null);
  const ofRoom = room === null ? null : chooseGate(gates, subject, room.class);
  const place = room === null ? null : choosePlace(gates, subject, room.class, room.name);
  const isForeign = place?.isForeign === true;
  const refused = { ...verdict(null), action: GateAction.REFUSE };
  return {
    connection: verdict(ofConnection),
    room: room === null ? undefined : isForeign ? refused : verdict(ofRoom),
    roomName: isForeign ? "" : (place?.room ?? ""),
    setGate: place?.gate === null || place === null ? "" : gateName(place.gate.id),
    gateways: gatewayRules(gates, subject).map(({ record }) => record.gateways),
    findings: gates.map((gate) => {
      const deciders = [ofConnection, ofRoom, place?.gate ?? null];
      return explain(gate, subject, room, deciders, place);
    }),
  };
}

function verdict(gate: Gate | null): VersionGateVerdict {
  if (gate === null) {
    return { action: GateAction.ALLOW, gate: "", required: "", message: "", downloadUrl: "" };
  }
  const { required, message, downloadUrl } = gate.record;
  return { action: gate.action, gate: gateName(gate.id), required, message, downloadUrl };
}

function explain(
  gate: Gate,
  subject: GateSubject,
  room: AskedRoom | null,
  deciders: readonly (Gate | null)[],
  place: Place | null,
): VersionGateFinding {
  const roomClass = gate.roomClasses === null ? null : (room?.class ?? null);
  const acts = gate.action !== GateAction.UNSPECIFIED;
  const miss = judgeGate(gate, subject, roomClass);
  const decides = deciders.includes(gate);
  const limits = gatewayRules([gate], subject).length > 0;
  const concerns = (acts && miss === null) || limits || place?.gate === gate;
  const name = gateName(gate.id);
  const say = (reason: string) => ({ gate: name, concerns, decides, reason });
  if (place?.gate === gate) return say(`its set has ${subject.build.version}: ${place.room}`);
  if (acts && miss !== null) return say(explainMiss(gate, subject, miss));
  if (!acts && !limits) {
    const who = miss === null || miss === "versions" || miss === "percent" || miss === "class";
    return say(
      who
        ? "none of its sets has this build, or no such room is asked for"
        : explainMiss(gate, subject, miss),
    );
  }
  const why = explainMiss(gate, subject, null);
  if (limits && !acts) return say(`${why}: only gateways of ${gate.record.gateways}`);
  if (decides) return say(why);
  const winner = deciders.find(
    (each) => each !== null && (each.roomClasses === null) === (gate.roomClasses === null),
  );
  return say(`${why}, but ${winner?.id ?? "another"} goes first`);
}
