/**
 * @tidegate/sdk: rooms over protobuf WebSocket that resume without a gap.
 *
 * The public door; what is not named here may change. Three more lead in, for those who want them:
 * "@tidegate/sdk/flags" is flags.ts, "…/openfeature" is openfeature.ts, "…/tracing" is tracing.ts.
 */
export type { Client, JoinOptions } from "./client.ts";
export { bytes, type Codec, json, text } from "./codec.ts";
export { connect } from "./connect.ts";
export { type ErrorCode, TidegateError, type TidegateErrorOptions } from "./error.ts";
export type {
  GapReason,
  MessageFacts,
  RoomEvent,
  RoomGap,
  RoomInvalid,
  RoomMessage,
  RoomPolicy,
  RoomPolicyChange,
} from "./event.ts";
export type { Flag, Flags, FlagValue } from "./flags.ts";
export type { HistoryOptions, HistoryPage } from "./history.ts";
export { type Build, type ClientLimits, type ConnectOptions, DEFAULTS } from "./options.ts";
export type { Position } from "./position.ts";
export type { PublishResult } from "./publish-queue.ts";
export type { PublishOptions, Room } from "./room.ts";
export type { ClientStatus } from "./session-setup.ts";
export type { TraceHooks } from "./trace-hooks.ts";
export type { VersionMismatch } from "./version.ts";
