/**
 * What a process says that does not start.
 */
import { startServer } from "../start-server.ts";

/** Starts the all-in-one with `env` and returns its whole stderr; "it started" if it did. */
export async function refusal(env: Record<string, string>): Promise<string> {
  try {
    const server = await startServer({ env });
    await server.close();
    return "it started";
  } catch (error) {
    return String(error);
  }
}
