/**
 * Loaded into a process of the program before it (`--import`): SIGUSR2 holds up its main thread for TEST_BLOCK_MS, as a log
 * that nobody takes or a disk that does not answer may; the thread of its heartbeat ends by itself after TEST_THREAD_MS.
 */
import { writeSync } from "node:fs";
import { isMainThread, threadName } from "node:worker_threads";

const { TEST_BLOCK_MS, TEST_THREAD_MS } = process.env;

if (isMainThread) {
  process.on("SIGUSR2", () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(TEST_BLOCK_MS));
    writeSync(2, "the main thread goes on\n");
  });
} else if (threadName === "heartbeat" && TEST_THREAD_MS) {
  setTimeout(() => process.exit(1), Number(TEST_THREAD_MS)).unref();
}
