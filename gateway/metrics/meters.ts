/**
 * What a gateway counts for its metrics, beside what its parts count for themselves.
 */
import { ClientMeter } from "./client-meter.ts";
import { MessageMeter } from "./message-meter.ts";

export class Meters {
  readonly messages = new MessageMeter();
  readonly clients = new ClientMeter();
}
