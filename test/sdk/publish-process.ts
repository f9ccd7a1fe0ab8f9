/** A process that publishes p0, p1, … one after another and prints each once it is acknowledged. */
import { connect, text } from "../../sdk/typescript/index.ts";

const [url = "", room = ""] = process.argv.slice(2);
const client = await connect(url, { codec: text });
for (let n = 0; ; n += 1) {
  await client.publish(room, `p${n}`);
  process.stdout.write(`p${n}\n`);
}
