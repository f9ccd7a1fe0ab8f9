/**
 * Whom a frame from the gateway concerns: rooms, publishes, pages, the token, flags.
 */
import type { ServerFrameKind } from "./connection.ts";
import { frameError } from "./frame.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { Session } from "./session.ts";
import { versionMismatch } from "./version.ts";

/** Hot path: once per frame. */
export function takeFrame(session: Session, frame: ServerFrameKind, size: number): void {
  const { rooms, publisher } = session;
  switch (frame.$case) {
    case "message":
      rooms.byAlias(frame.value.roomAlias)?.onMessage(frame.value, size);
      return;
    case "publishAck":
      publisher.onAck(frame.value);
      return;
    case "joined":
      rooms.onJoined(frame.value);
      publisher.onJoined();
      return;
    case "left":
      rooms.onLeft(frame.value.roomAlias, frame.value.code);
      return;
    case "gap":
      rooms.byAlias(frame.value.roomAlias)?.onGap(frame.value);
      return;
    case "roomPolicyChanged":
      rooms.byAlias(frame.value.roomAlias)?.onPolicy(frame.value);
      return;
    case "historyPage":
      session.history.onPage(frame.value);
      return;
    case "error":
      takeError(session, frame.value);
      return;
    case "goAway":
      session.onGoAway(frame.value);
      return;
    case "refreshed":
      session.tokens.onValid(frame.value.tokenExpiresInMs);
      return;
    case "tokenExpiring":
      session.tokens.onExpiring();
      return;
    case "flags":
      session.flags?.onFlags(frame.value, frame.value.all);
      return;
    case "versionMismatch":
      session.onMismatch(versionMismatch(frame.value));
      return;
    default:
      return; // the connection's own
  }
}

function takeError(session: Session, frame: ErrorFrame): void {
  const { publisher, history, rooms, tokens, errors } = session;
  if (frame.requestId !== 0) {
    if (publisher.onError(frame) || history.onError(frame)) return;
    if (rooms.onError(frame) || tokens.onError(frame)) return;
  }
  errors.emit(frameError(frame));
}
