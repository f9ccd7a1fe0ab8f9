/**
 * A process on NATS that says what happens to its lease, and wants to publish the moment it may no
 * longer: for lease.test.ts, which freezes it.
 *
 * Arguments: NATS URLs, id, time to live of the lease in ms, room.
 */
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { roomAddress } from "../../bus/subjects.ts";
import { append, newProducer } from "../bus/contract-tools.ts";

const [urls = "", name = "", ttl = "", roomName = ""] = process.argv.slice(2);
const bus = await openNatsBus({ servers: urls.split(","), name, leaseTtlMs: Number(ttl) });
const room = roomAddress("acme", roomName);
const say = (event: string) => process.stdout.write(`${event} ${bus.lease.incarnation}\n`);

bus.lease.onChange((state) => {
  say(state);
  if (state !== "renewing") return;
  append(bus, room, { producer: newProducer(), seq: 1 }, "wanted").then(
    () => say("stored"),
    (error) => say(`refused: ${error.message}`),
  );
});
say("held");
