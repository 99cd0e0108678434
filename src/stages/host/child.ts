/** Entry of a document process: reads, changes and writes documents; knows no network and no other files. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { isBuiltInType } from "../catalogue.ts";
import { loadCustomModule } from "../custom/module.ts";
import type { CustomStageFacts } from "../custom/types.ts";
import { findStage, stageTypes } from "../registry.ts";
import type { Stage, StageContext } from "../stage.ts";
import { openDocument, readDocument, withWarnings, writeDocument } from "./document-file.ts";
import { toWire } from "./faults.ts";
import {
  type AnswerTask,
  type ChildSettings,
  type ComposeTask,
  type ConditionAnswer,
  type ConditionTask,
  clip,
  type FromChild,
  MAX_LOG_LINES,
  type RenderAnswer,
  type RenderTask,
  type RunAnswer,
  type RunTask,
  type TaskAnswer,
  type ToChild,
} from "./protocol.ts";

const PROGRESS_INTERVAL_MS = 100;
/** Changes of what a stage says about itself that go at once: each may be the last thing heard of it. */
const MAX_PROMPT_CHANGES = 10_000;
/** Leaves the processor to whoever starts the workers. */
const WARM_AFTER_MS = 1_000;

const settings = JSON.parse(process.argv[2] ?? "{}") as ChildSettings;
const customStages = new Map<string, Stage>();
let served = false;

process.on("disconnect", () => process.exit(0));
process.on("message", (message) => void serve(message as ToChild));
try {
  if (settings.watchParent) await watchParent();
  tell({ kind: "ready", customStages: await loadCustomStages(settings.customModules) });
  if (settings.warmUp) setTimeout(() => void warmUp(), WARM_AFTER_MS);
} catch (error) {
  tell({ kind: "start_failed", message: error instanceof Error ? error.message : String(error) });
}

/** Loads what stages need, one after the other, as long as no document is waiting. */
async function warmUp(): Promise<void> {
  for (const stage of [...stageTypes(), ...customStages.values()]) {
    if (served) return;
    // A stage that cannot load says so when a document needs it.
    await stage.warm?.().catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function tell(message: FromChild): void {
  // Without a channel nobody waits for the answer any more, and "disconnect" ends the process.
  if (process.connected) process.send?.(message);
}

async function serve({ id, task }: ToChild): Promise<void> {
  served = true;
  try {
    const answer = await perform(id, task);
    tell({ kind: "done", id, answer, rssBytes: process.memoryUsage.rss() });
  } catch (error) {
    const fault = toWire(error, settings.hiddenPaths);
    tell({ kind: "failed", id, fault, rssBytes: process.memoryUsage.rss() });
  }
}

async function perform(id: number, task: ToChild["task"]): Promise<TaskAnswer> {
  switch (task.kind) {
    case "run":
      return await runStage(id, task);
    case "condition":
      return await conditionTask(task);
    case "compose":
      return await composeTask(task);
    case "answer":
      return await answerTask(task);
    case "render":
      return await renderTask(task);
  }
}

async function runStage(id: number, task: RunTask): Promise<RunAnswer> {
  const stage = customStages.get(task.stageType) ?? findStage(task.stageType);
  if (stage === undefined) throw new Error(`there is no stage of type ${task.stageType}`);
  const document = await openDocument(task);
  const changes = await stage.run(document, stageContext(id, task));
  return await writeDocument(task.outputPath, { ...document, ...changes }, task.limits);
}

async function conditionTask(task: ConditionTask): Promise<ConditionAnswer> {
  const { evaluateCondition } = await import("../condition.ts");
  return { holds: evaluateCondition(task.expression, await openDocument(task)) };
}

async function composeTask(task: ComposeTask): Promise<null> {
  const { composeRequest } = await import("../http/request.ts");
  await composeRequest(await openDocument(task), task);
  return null;
}

async function answerTask(task: AnswerTask): Promise<RunAnswer> {
  const { takeAnswer } = await import("../http/answer.ts");
  const document = await openDocument(task);
  const changes = await takeAnswer(document, task);
  return await writeDocument(task.outputPath, { ...document, ...changes }, task.limits);
}

async function renderTask(task: RenderTask): Promise<RenderAnswer> {
  const { renderDocument } = await import("./render-document.ts");
  return await renderDocument(
    withWarnings(await readDocument(task.documentPath), task.warnings),
    task.folder,
  );
}

function stageContext(id: number, task: RunTask): StageContext<unknown> {
  let lastProgress = Number.NEGATIVE_INFINITY;
  let lastMessage: string | undefined;
  let promptChanges = 0;
  let logLines = 0;
  return {
    stage: task.stage,
    options: task.options,
    limits: task.limits,
    // Never fires: whoever gives up on this document ends the process.
    signal: new AbortController().signal,
    sourcePath: task.sourcePath,
    ...(task.password === undefined ? {} : { password: task.password }),
    progress(share, message) {
      const now = performance.now();
      const prompt = message !== lastMessage && promptChanges < MAX_PROMPT_CHANGES;
      if (now - lastProgress < PROGRESS_INTERVAL_MS && share < 1 && !prompt) return;
      if (prompt) promptChanges++;
      lastProgress = now;
      lastMessage = message;
      const bounded = Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));
      tell({
        kind: "progress",
        id,
        share: bounded,
        ...(message === undefined ? {} : { message: clip(message) }),
      });
    },
    log(level, message) {
      if (logLines++ < MAX_LOG_LINES) tell({ kind: "log", id, level, message: clip(message) });
    },
  };
}

/** The operator's stages beside the built-in ones; no two stages have one name. */
async function loadCustomStages(files: readonly string[]): Promise<CustomStageFacts[]> {
  const all: CustomStageFacts[] = [];
  for (const file of files) {
    for (const { stage, facts } of await loadCustomModule(file)) {
      if (customStages.has(stage.type) || isBuiltInType(stage.type))
        throw new Error(`${file}: there is another stage called ${stage.type}; choose another name.`);
      customStages.set(stage.type, stage);
      all.push(facts);
    }
  }
  return all;
}

/** Ends the process when its parent is gone, even while the main thread is busy; for systems without a death signal. */
async function watchParent(): Promise<void> {
  const watcher = new Worker(
    `const parent = process.ppid;
     setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, "SIGKILL"); }, 500);
     require("node:worker_threads").parentPort.postMessage("watching");`,
    { eval: true, stdout: true, stderr: true, resourceLimits: { maxOldGenerationSizeMb: 8 } },
  );
  await once(watcher, "message");
  watcher.unref();
}
