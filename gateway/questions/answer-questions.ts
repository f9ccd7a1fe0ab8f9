/**
 * What control planes ask this gateway: its rooms, a room, its members, a user's connections, what
 * goes on, to close connections, and whom a change of a version gate would concern.
 */
import type { Unsubscribe } from "../../bus/bus.ts";
import {
  ActivityAnswer,
  ActivityQuestion,
} from "../../proto/gen/tidegate/bus/v1/activity_question.ts";
import {
  DisconnectAnswer,
  DisconnectQuestion,
  GateImpactAnswer,
  GateImpactQuestion,
  MembersAnswer,
  MembersQuestion,
  RoomAnswer,
  RoomQuestion,
  RoomsAnswer,
  RoomsQuestion,
  UserAnswer,
  UserQuestion,
} from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type { Connection } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { countImpact } from "../gates/count-impact.ts";
import type { Lagging } from "../lagging.ts";
import { readActivity } from "./activity.ts";
import { describeUser } from "./describe-user.ts";
import { disconnect } from "./disconnect.ts";
import { listMembers, listRooms, roomCount } from "./room-lists.ts";

/** Answers until the returned function is called. */
export function answerQuestions(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
  lagging: Lagging,
): Unsubscribe {
  const { bus, rooms } = context;
  const stops = [
    bus.answer("activity", async (body) => {
      const question = ActivityQuestion.decode(body);
      return ActivityAnswer.encode(
        await readActivity(context, lagging.behind(), question),
      ).finish();
    }),
    bus.answer("rooms", async (body) => {
      const found = await listRooms(context, RoomsQuestion.decode(body));
      return RoomsAnswer.encode({ rooms: found }).finish();
    }),
    bus.answer("room", (body) => {
      const { tenant, room } = RoomQuestion.decode(body);
      const found = rooms.find(tenant, room);
      const isThere = found !== null && found.memberCount > 0;
      return RoomAnswer.encode({ room: isThere ? roomCount(found) : undefined }).finish();
    }),
    bus.answer("members", async (body) => {
      const members = await listMembers(context, connections, MembersQuestion.decode(body));
      return MembersAnswer.encode({ members }).finish();
    }),
    bus.answer("user", async (body) => {
      const answer = await describeUser(context, connections, UserQuestion.decode(body));
      return UserAnswer.encode(answer).finish();
    }),
    bus.answer("disconnect", (body) => {
      const count = disconnect(context, connections, DisconnectQuestion.decode(body));
      return DisconnectAnswer.encode({ count }).finish();
    }),
    bus.answer("gate-impact", async (body) => {
      const impact = await countImpact(context, connections, GateImpactQuestion.decode(body));
      return GateImpactAnswer.encode(impact).finish();
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
