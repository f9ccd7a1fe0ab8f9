/**
 * The thread of the store: opens the database, then turns store-worker.ts for as long as there is
 * work. All reads of clocks and the port are here.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { openDatabase, storeError } from "./database.ts";
import { StoreWorker } from "./store-worker.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./worker-protocol.ts";

/** How often age and expiry are looked at when nothing else happens. */
const idleTurnMs = 1000;

const clock = {
  wallUs: () => Date.now() * 1000,
  uptimeUs: () => Math.floor(performance.now() * 1000),
};

function main(): void {
  const port = parentPort;
  if (port === null) throw new Error("worker.ts runs in a worker thread");
  const { options } = workerData as WorkerStart;
  const post = (message: FromWorker, transfer?: ArrayBuffer[]) =>
    port.postMessage(message, transfer);
  let store: StoreWorker;
  try {
    const database = openDatabase(options.dataDir, options.isSynchronous);
    store = new StoreWorker(database, options, post, clock);
  } catch (reason) {
    const error = storeError(reason, options.dataDir);
    post({ kind: "refused", code: error.code, detail: error.detail });
    port.close();
    return;
  }

  let isClosing = false;
  let isScheduled = false;
  let timer: NodeJS.Timeout | null = null;

  const take = (message: ToWorker): void => {
    if (message.kind === "close") isClosing = true;
    else store.take(message);
  };
  const run = (): void => {
    isScheduled = false;
    if (timer !== null) clearTimeout(timer);
    // Messages that came meanwhile join this commit instead of waiting for their events.
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      take(next.message as ToWorker);
    }
    store.turn();
    if (store.hasWork) {
      schedule();
      return;
    }
    if (isClosing) {
      end();
      return;
    }
    const untilExpiryMs = Math.ceil((store.nextExpiryUs - clock.wallUs()) / 1000);
    timer = setTimeout(run, Math.max(10, Math.min(idleTurnMs, untilExpiryMs)));
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(run);
  };
  const end = (): void => {
    store.close();
    post({ kind: "closed" });
    port.close();
  };

  port.on("message", (message: ToWorker) => {
    take(message);
    schedule();
  });
  schedule();
  post({ kind: "opened" });
}

main();
