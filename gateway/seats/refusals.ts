/**
 * What a client is told that gets no seat.
 *
 * Pure.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { QuotaName } from "../../proto/limits.ts";
import { LimitError } from "../limit-error.ts";

/** An exact limit of connections is reached. */
export function connectionRefusal(name: QuotaName, value: number): LimitError {
  const whose = name === "connections-per-user" ? "this user" : "this IP address";
  const detail = `${whose} has ${value} connections, the limit; close one, or try again later`;
  return new LimitError("LIMIT_REACHED", name, value, detail);
}

/** The room is full. */
export function roomRefusal(capacity: number): LimitError {
  const detail = `the room has ${capacity} members, as many as its class allows`;
  return new LimitError("ROOM_FULL", "room-members", capacity, detail);
}

/** The session has a newer connection, or one that took over. */
export function takenOver(): CodedError {
  const detail = "another connection has shown this one's session token and has its seats now";
  return new CodedError("TAKEN_OVER", detail);
}
