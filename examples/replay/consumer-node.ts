/**
 * The Node consumer, a process of its own. Arguments: URL, room names. It ends when its stdin does,
 * so that it can not outlive the run.
 */
import { consume } from "./consume.ts";

const [url = "", ...rooms] = process.argv.slice(2);
process.stdin.on("end", () => process.exit(0)).resume();
await consume(url, rooms, (line) => process.stdout.write(`${JSON.stringify(line)}\n`));
