/** Stages that misbehave in every way a document can make a real one misbehave. */
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import type { CustomStage, CustomStageContext } from "../../../sdk/src/stages.ts";
import { DocumentFault } from "../../../src/extract/errors.ts";
import type { Json } from "../../../src/extract/model.ts";
import { StageFailure } from "../../../src/stages/stage.ts";

function stage(name: string, run: (given: Given) => Json | Promise<Json>): CustomStage {
  return {
    name,
    version: 1,
    description: `Test stage ${name}.`,
    optionsSchema: {},
    async run({ options, document }, context) {
      return { metadata: { fact: await run({ ...context, options, sourcePath: document.path }) } };
    },
  };
}

interface Given extends CustomStageContext {
  readonly options: unknown;
  readonly sourcePath: string;
}

const spin = (): never => {
  for (;;);
};

/** When the process is given its next document. */
const throwLater = (): void => {
  process.once("message", () => {
    throw new Error("nobody listens any more");
  });
};

export const stages: CustomStage[] = [
  stage("test_echo", ({ options }) => options as Json),
  stage("test_pid", () => process.pid),
  stage("test_spin", ({ progress }) => {
    progress(0.25, "spinning");
    return spin();
  }),
  stage("test_pages", ({ progress }) => {
    for (let page = 1; page <= 40; page++) progress(page / 80, `page ${page} of 80`);
    return spin();
  }),
  stage("test_chatty_spin", ({ progress }) => {
    for (let i = 0; ; i++) if (i % 1_000_000 === 0) progress(0.5);
  }),
  stage("test_work", ({ options, progress }) => {
    const end = performance.now() + Number(options);
    let sum = 0;
    while (performance.now() < end) {
      sum += Math.sqrt(sum + 1);
      progress(0.5);
    }
    return 1;
  }),
  stage("test_buffers", () => {
    const held: Buffer[] = [];
    for (;;) held.push(Buffer.alloc(8 * 1024 * 1024, 1));
  }),
  stage("test_heap", () => {
    const held: unknown[] = [];
    for (;;) held.push({ entry: held.length, text: [held.length] });
  }),
  stage("test_abort", () => {
    process.abort();
  }),
  stage("test_exit", () => process.exit(3)),
  stage("test_reject_later", async () => {
    void Promise.reject(new Error("nobody listens"));
    return await new Promise<never>(() => {});
  }),
  stage("test_document_fault", () => {
    throw new DocumentFault("DOCUMENT_ENCRYPTED", "The document is encrypted; send its password.");
  }),
  stage("test_stage_failure", () => {
    throw new StageFailure("QUALITY_TOO_LOW", "Below the minimum.", false);
  }),
  stage("test_throw", ({ sourcePath }) => {
    throw new TypeError(`cannot read ${sourcePath} nor /etc/ssl/private/key.pem`);
  }),
  stage("test_env", () => ({ ...process.env }) as Json),
  stage("test_read", ({ options }) => {
    try {
      return readFileSync(String(options), "utf8").length;
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  }),
  stage(
    "test_connect",
    ({ options }) =>
      new Promise((settle) => {
        const socket = createConnection({ host: "127.0.0.1", port: Number(options) });
        socket.on("connect", () => settle("connected"));
        socket.on("error", (error: NodeJS.ErrnoException) => settle(error.code ?? "error"));
      }),
  ),
  stage("test_throw_later", () => {
    throwLater();
    return 1;
  }),
  stage("test_fail_and_throw_later", () => {
    throwLater();
    throw new Error("at once");
  }),
  stage("test_flood", ({ log }) => {
    for (let i = 0; i < 5_000; i++) log("info", "x".repeat(10_000));
    return 1;
  }),
];
