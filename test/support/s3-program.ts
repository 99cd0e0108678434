import { startS3 } from "./s3.ts";

// An S3 server in a process of its own, until its input ends.
const s3 = await startS3();
process.stdout.write(`${s3.url}\n`);
process.stdin.resume();
process.stdin.once("end", () => void s3[Symbol.asyncDispose]().then(() => process.exit(0)));
