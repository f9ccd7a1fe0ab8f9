/**
 * A process that logs and ends at once: log-child.ts FORMAT LINES. So is seen what reaches stderr.
 */
import { CodedError } from "../../../proto/coded-error.ts";
import { openLog } from "../../../telemetry/logs/open-log.ts";

const [format = "text", count = "1"] = process.argv.slice(2);
const log = await openLog(format, "info", { gateway: "eu-1" });
log.debug({}, "not logged at this level");
log.info({ level: 2, msg: "own", big: 7n }, "fields named as pino's own");
log.error({ error: new CodedError("STORE_FULL", "the shard is full") }, "publish failed");
for (let i = 1; i <= Number(count); i += 1) {
  const fields = { connection: `eu-1-${i}`, tenant: "acme", user: "bot\n\u001b[2J" };
  log.warn(fields, "a client went on above a limit: blocked");
}
process.exit(3);
