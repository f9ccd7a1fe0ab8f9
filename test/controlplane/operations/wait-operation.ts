/**
 * Operations followed to their end, in tests.
 */

import {
  type Operation,
  OperationState,
} from "../../../proto/gen/tidegate/control/v1/operation.ts";
import type { OperationServiceClient } from "../../../proto/gen/tidegate/control/v1/operation_service.ts";

/** Follows an operation by the watch. @returns everything that it was told, the end last. */
export function watchToEnd(client: OperationServiceClient, name: string): Promise<Operation[]> {
  const told: Operation[] = [];
  const stream = client.watchOperation({ name });
  return new Promise((resolve, reject) => {
    stream.on("data", ({ operation }: { operation?: Operation }) => {
      if (operation !== undefined) told.push(operation);
    });
    stream.on("error", reject);
    stream.on("end", () => resolve(told));
  });
}

/** Follows it, and gives what it ended as. */
export async function endOf(client: OperationServiceClient, name: string): Promise<Operation> {
  const ended = (await watchToEnd(client, name)).at(-1);
  if (ended === undefined) throw new Error("the watch said nothing");
  return ended;
}

/** The word of a state. */
export function stateName(state: OperationState): string | undefined {
  return Object.entries(OperationState).find(([, value]) => value === state)?.[0];
}
