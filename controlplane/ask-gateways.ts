/**
 * One question to all gateways, some at a time, honest about those that did not answer.
 */
import type { Bus } from "../bus/bus.ts";
import type { ProcessEntry } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import { gatewayName, parseGatewayName } from "./fleet-names.ts";

/** A gateway that does not answer within this is silent, ms. */
export const ASK_MS_MAX = 2000;
/** Gateways asked at once: their answers are in memory together, 512 KiB each at most. */
const ASK_COUNT = 32;
/** All are asked within this, ms; those that were not are silent too. */
const ALL_MS_MAX = 15_000;
/** Names of silent gateways that one answer tells. */
export const SILENT_COUNT_MAX = 100;

/** Ids of all processes that run a gateway, ascending. @throws {CodedError} `UNAVAILABLE`. */
export async function gatewayIds(bus: Bus): Promise<string[]> {
  const isGateway = ({ parts }: ProcessEntry) => parts !== "controlplane";
  return (await bus.topology.processes()).filter(isGateway).map(({ id }) => id);
}

/**
 * Asks gateways, and gives each answer to `onAnswer`, in the order of `ids`, until it says that it
 * has enough.
 *
 * @param onAnswer returns whether to go on.
 * @returns names of those that did not answer, at most {@link SILENT_COUNT_MAX}.
 */
export async function askGateways(
  bus: Bus,
  ids: readonly string[],
  kind: string,
  body: Uint8Array,
  onAnswer: (id: string, answer: Uint8Array) => boolean,
): Promise<string[]> {
  const endMs = performance.now() + ALL_MS_MAX;
  const silent: string[] = [];
  for (let at = 0; at < ids.length; at += ASK_COUNT) {
    const some = ids.slice(at, at + ASK_COUNT);
    const isLate = performance.now() > endMs;
    const answers = await Promise.all(
      some.map((id) => (isLate ? "silent" : askOne(bus, id, kind, body))),
    );
    for (const [i, answer] of answers.entries()) {
      const id = some[i] ?? "";
      if (answer === "silent") silent.push(gatewayName(id));
      else if (answer !== "gone" && !onAnswer(id, answer)) return silent.slice(0, SILENT_COUNT_MAX);
    }
  }
  return silent.slice(0, SILENT_COUNT_MAX);
}

/** An answer; "gone" when nobody of that id is there, and so nobody is connected to it. */
async function askOne(
  bus: Bus,
  id: string,
  kind: string,
  body: Uint8Array,
): Promise<Uint8Array | "silent" | "gone"> {
  try {
    return await bus.ask(id, kind, body, ASK_MS_MAX);
  } catch (error) {
    const { code } = CodedError.from(error);
    if (code === "NOT_FOUND") return "gone";
    if (code === "UNAVAILABLE") return "silent";
    throw error;
  }
}

/**
 * The gateway of a connection, by its id.
 *
 * @throws {InvalidFieldsError} `REQUEST_INVALID` when it is no connection id.
 */
export function gatewayOfConnection(connection: string, field: string): string {
  const end = connection.lastIndexOf("-");
  return parseGatewayName(`gateways/${connection.slice(0, Math.max(0, end))}`, field);
}
