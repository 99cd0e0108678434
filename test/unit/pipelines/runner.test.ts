import { expect, test } from "vitest";
import { DocumentFault } from "../../../src/extract/errors.ts";
import { SluiceError } from "../../../src/lib/errors.ts";
import type { StageConfig } from "../../../src/pipelines/model.ts";
import { type PlannedStage, planStages as planWith } from "../../../src/pipelines/plan.ts";
import {
  type ComingRun,
  type RestoredStage,
  type RunnerPorts,
  runPipeline,
  type StageOutput,
  type StageReport,
  type Working,
} from "../../../src/pipelines/runner.ts";
import { createStageCatalogue } from "../../../src/stages/catalogue.ts";
import { stoppingFailure } from "../../../src/stages/host/crew.ts";
import { StageFailure } from "../../../src/stages/stage.ts";

const TYPES = ["fetch", "detect", "extract", "normalize", "enrich"];
const STAGES: StageConfig[] = TYPES.map((type) => ({ name: `the ${type}`, type, options: {} }));
const catalogue = createStageCatalogue();
const planStages = (stages: readonly StageConfig[], source: string) => planWith(stages, source, catalogue);
const keysOf = (plan: readonly PlannedStage[], count: number) =>
  new Map(plan.slice(0, count).map(({ position, key }) => [position, { key, skipped: false }]));
const change = (type: string, changes: Partial<StageConfig>): StageConfig[] =>
  STAGES.map((stage) => (stage.type === type ? { ...stage, ...changes } : stage));

interface Recorded {
  steps: string[];
  runs: string[];
  restored: number[];
  waits: ComingRun[];
  asked: string[];
}

/** Ports that write down what they are told; each stage answers a path with its position. */
function ports(
  outputs: ReadonlyMap<number, StageOutput>,
  run?: (stage: PlannedStage) => void,
  holds: (stage: PlannedStage) => boolean = () => true,
): { seen: Recorded; ports: RunnerPorts } {
  const seen: Recorded = { steps: [], runs: [], restored: [], waits: [], asked: [] };
  const label = (report: StageReport | null) =>
    report ? `${report.stage.config.type} ${report.status}` : "-";
  const shown = ({ path, warnings }: Working) =>
    `on ${path}${warnings.map(({ code }) => ` with ${code}`).join("")}`;
  return {
    seen,
    ports: {
      now: () => 0,
      random: () => 0.999999,
      outputs: async () => outputs,
      restore: async (position: number) => {
        seen.restored.push(position);
        return `restored-${position}`;
      },
      step: async (step: {
        ended: StageReport | null;
        started: PlannedStage | null;
        restored: readonly RestoredStage[];
      }) => {
        seen.steps.push(
          `${step.restored.length}: ${label(step.ended)} > ${step.started?.config.type ?? "-"}`,
        );
      },
      holds: async (stage, document) => {
        seen.asked.push(`${stage.config.type} ${shown(document)}`);
        return holds(stage);
      },
      wait: async (_stage, coming) => {
        seen.waits.push(coming);
      },
      run: async (stage, document) => {
        seen.runs.push(`${stage.config.type} ${shown(document)}`);
        run?.(stage);
        return stage.config.type === "fetch" ? null : `out-${stage.position}`;
      },
    },
  };
}

test("stages run in order, each on what the one before left, and every step is told once", async () => {
  const plan = planStages(STAGES, "source");
  const { seen, ports: all } = ports(new Map());
  expect((await runPipeline(plan, all)).path).toBe("out-4");
  expect(seen.runs).toEqual([
    "fetch on null",
    "detect on null",
    "extract on out-1",
    "normalize on out-2",
    "enrich on out-3",
  ]);
  expect(seen.steps).toEqual([
    "0: - > fetch",
    "0: fetch SUCCEEDED > detect",
    "0: detect SUCCEEDED > extract",
    "0: extract SUCCEEDED > normalize",
    "0: normalize SUCCEEDED > enrich",
    "0: enrich SUCCEEDED > -",
  ]);
});

test("a run resumes at the first stage whose output is not there, and says which were restored", async () => {
  const plan = planStages(STAGES, "source");
  const { seen, ports: all } = ports(keysOf(plan, 3));
  expect((await runPipeline(plan, all)).path).toBe("out-4");
  expect(seen.restored).toEqual([2]);
  expect(seen.runs).toEqual(["normalize on restored-2", "enrich on out-3"]);
  expect(seen.steps[0]).toBe("3: - > normalize");
});

test("a run whose outputs are all there runs nothing and answers the last", async () => {
  const plan = planStages(STAGES, "source");
  const { seen, ports: all } = ports(keysOf(plan, 5));
  expect((await runPipeline(plan, all)).path).toBe("restored-4");
  expect(seen).toMatchObject({ runs: [], steps: ["5: - > -"] });
});

test("an output behind a gap is not used: what came before it may have changed", async () => {
  const plan = planStages(STAGES, "source");
  const keys = keysOf(plan, 5);
  keys.delete(1);
  const { seen, ports: all } = ports(keys);
  await runPipeline(plan, all);
  expect(seen.runs[0]).toBe("detect on restored-0");
  expect(seen.runs).toHaveLength(4);
});

test("the key of an output changes with the source, with the options before it and with nothing after it", () => {
  const keys = (stages: StageConfig[], source = "source") => planStages(stages, source).map(({ key }) => key);
  const base = keys(STAGES);
  expect(new Set(base).size).toBe(STAGES.length);
  expect(keys(STAGES)).toEqual(base);
  expect(keys(STAGES, "other").some((key) => base.includes(key))).toBe(false);
  const changed = STAGES.map((stage) =>
    stage.type === "fetch" ? { ...stage, options: { max_bytes: 5 } } : stage,
  );
  expect(keys(changed).some((key) => base.includes(key))).toBe(false);
  const shorter = keys(STAGES.slice(0, 3));
  expect(shorter).toEqual(base.slice(0, 3));
});

test("a stage that fails is told and ends the run", async () => {
  const plan = planStages(STAGES, "source");
  const { seen, ports: all } = ports(new Map(), ({ config }) => {
    if (config.type === "extract") throw new DocumentFault("DOCUMENT_CORRUPT", "broken");
  });
  await expect(runPipeline(plan, all)).rejects.toThrow("broken");
  expect(seen.steps.at(-1)).toBe("0: extract FAILED > -");
});

test("a stage with the policy SKIP that fails is left out, and the next works on what came before", async () => {
  const plan = planStages(change("normalize", { onFailure: "SKIP" }), "source");
  const { seen, ports: all } = ports(new Map(), ({ config }) => {
    if (config.type === "normalize") throw new StageFailure("STAGE_FAILED", "no", false);
  });
  expect((await runPipeline(plan, all)).path).toBe("out-4");
  expect(seen.runs.at(-1)).toBe("enrich on out-2 with STAGE_SKIPPED");
  expect(seen.steps).toContain("0: normalize SKIPPED > enrich");
});

test("an order to stop ends the run at once: it is no failure of the stage, and SKIP does not swallow it", async () => {
  const stages = STAGES.map((stage) => ({ ...stage, onFailure: "SKIP" as const }));
  const { seen, ports: all } = ports(new Map(), ({ config }) => {
    if (config.type === "extract") throw new Error("stop");
  });
  await expect(runPipeline(planStages(stages, "source"), all)).rejects.toThrow("stop");
  expect(seen.steps.at(-1)).toBe("0: detect SUCCEEDED > extract");
});

test("a store that does not answer is worth another run, and is no failure of the stage that may be skipped", async () => {
  class Away extends SluiceError {
    readonly kind = "unavailable";
    readonly reason = "STORAGE_UNAVAILABLE";
  }
  const changes = { onFailure: "SKIP" as const, retry: { maxAttempts: 3 } };
  const { seen, ports: all } = ports(new Map(), ({ config }) => {
    if (config.type === "extract") throw new Away("The store is away.");
  });
  const plan = planStages(change("extract", changes), "source");
  await expect(runPipeline(plan, all)).rejects.toThrow("The store is away.");
  expect(seen.waits).toHaveLength(2);
  expect(seen.steps.at(-1)).toBe("0: detect SUCCEEDED > extract");
});

test("a worker that stops under a stage is no failure of it: neither another run nor SKIP follows", async () => {
  const changes = { onFailure: "SKIP" as const, retry: { maxAttempts: 5 } };
  const { seen, ports: all } = ports(new Map(), ({ config }) => {
    if (config.type === "extract") throw stoppingFailure();
  });
  const plan = planStages(change("extract", changes), "source");
  await expect(runPipeline(plan, all)).rejects.toThrow("The worker stops");
  expect(seen.waits).toEqual([]);
  expect(seen.steps.at(-1)).toBe("0: detect SUCCEEDED > extract");
});

test("an unknown type and faulty options are failures that trying again does not mend, and name the stage", () => {
  const one = (stage: Partial<StageConfig>) => () =>
    planStages([{ name: "mine", type: "extract", options: {}, ...stage }], "source");
  for (const stage of [{ type: "nonsense" }, { type: "fetch", options: { max_bytes: -1 } }]) {
    expect(one(stage)).toThrow(StageFailure);
    expect(one(stage)).toThrow(/mine/);
  }
});

test("warnings about skipped stages stay until a stage has written them down", async () => {
  const stages = STAGES.map((stage) =>
    stage.type === "fetch" ? stage : { ...stage, onFailure: "SKIP" as const },
  );
  const fail = (...types: string[]) =>
    ports(new Map(), ({ config }) => {
      if (types.includes(config.type)) throw new StageFailure("STAGE_TIMEOUT", "slow", true);
    });
  const last = await runPipeline(planStages(stages, "source"), fail("normalize", "enrich").ports);
  expect(last.path).toBe("out-2");
  expect(last.warnings.map(({ message }) => message)).toEqual([
    "Stage the normalize failed and was skipped (STAGE_TIMEOUT): slow",
    "Stage the enrich failed and was skipped (STAGE_TIMEOUT): slow",
  ]);
  expect((await runPipeline(planStages(stages, "source"), fail("normalize").ports)).warnings).toEqual([]);
  const none = await runPipeline(planStages(stages, "source"), fail(...TYPES.slice(1)).ports);
  expect(none).toMatchObject({ path: null, warnings: { length: 4 } });
});

test("a stage whose condition is not met is left out without a failure, and the next works on what came before", async () => {
  const plan = planStages(change("normalize", { when: "false" }), "source");
  const reports: (StageReport | null)[] = [];
  const { seen, ports: all } = ports(new Map(), undefined, () => false);
  const step: RunnerPorts["step"] = async (told) => {
    reports.push(told.ended);
    await all.step(told);
  };
  expect((await runPipeline(plan, { ...all, step })).path).toBe("out-4");
  expect(seen.asked).toEqual(["normalize on out-2"]);
  expect(seen.runs.at(-1)).toBe("enrich on out-2");
  expect(reports.find((report) => report?.status === "SKIPPED")?.error).toBeNull();
});

test("a condition that cannot be told is a failure of its stage: it ends the run, or is skipped with a warning", async () => {
  const broken = () => {
    throw new StageFailure("CONDITION_FAILED", "no such key", false);
  };
  const failing = ports(new Map(), undefined, broken);
  const plan = planStages(change("normalize", { when: "metadata.x" }), "source");
  await expect(runPipeline(plan, failing.ports)).rejects.toThrow("no such key");
  expect(failing.seen.steps.at(-1)).toBe("0: normalize FAILED > -");
  const skipping = ports(new Map(), undefined, broken);
  await runPipeline(
    planStages(change("normalize", { when: "metadata.x", onFailure: "SKIP" }), "source"),
    skipping.ports,
  );
  expect(skipping.seen.runs.at(-1)).toBe("enrich on out-2 with STAGE_SKIPPED");
});

test("a run resumes behind a stage that its condition had left out, on the output before it", async () => {
  const plan = planStages(change("normalize", { when: "false" }), "source");
  const outputs = new Map<number, StageOutput>(keysOf(plan, 4));
  outputs.set(3, { key: plan[3]?.key ?? "", skipped: true });
  const { seen, ports: all } = ports(outputs);
  const restored: RestoredStage[] = [];
  const step: RunnerPorts["step"] = async (told) => {
    restored.push(...told.restored);
  };
  await runPipeline(plan, { ...all, step });
  expect(seen.restored).toEqual([2]);
  expect(seen.runs).toEqual(["enrich on restored-2"]);
  expect(restored.map(({ skipped }) => skipped)).toEqual([false, false, false, true]);
});

test("a condition is part of the key of its stage and of those after it", () => {
  const keys = (stages: StageConfig[]) => planStages(stages, "source").map(({ key }) => key);
  const base = keys(STAGES);
  const conditional = keys(change("normalize", { when: "true" }));
  expect(conditional.slice(0, 3)).toEqual(base.slice(0, 3));
  expect(conditional.slice(3).some((key) => base.includes(key))).toBe(false);
});

test("a failure that may pass is followed by further runs, as many as the policy says, after growing random waits", async () => {
  const retry = { maxAttempts: 4, initialBackoffMs: 100, maxBackoffMs: 250, multiplier: 2 };
  const plan = planStages(change("normalize", { retry }), "source");
  let runs = 0;
  const { seen, ports: all } = ports(new Map(), ({ config }) => {
    if (config.type === "normalize" && ++runs < 4) throw new StageFailure("PARSER_CRASHED", "again", true);
  });
  expect((await runPipeline(plan, all)).path).toBe("out-4");
  expect(runs).toBe(4);
  expect(seen.waits.map(({ run, runs: of, waitMs }) => [run, of, waitMs])).toEqual([
    [2, 4, 100],
    [3, 4, 200],
    [4, 4, 250],
  ]);
  expect(seen.steps.filter((step) => step.includes("> normalize"))).toHaveLength(1);
});

test("neither a document at fault, nor a stage without a policy, nor the last failure is followed by another run", async () => {
  const runsOf = async (error: Error, maxAttempts?: number) => {
    const retry = maxAttempts === undefined ? {} : { retry: { maxAttempts } };
    let runs = 0;
    const { seen, ports: all } = ports(new Map(), ({ config }) => {
      if (config.type !== "extract") return;
      runs++;
      throw error;
    });
    await expect(runPipeline(planStages(change("extract", retry), "source"), all)).rejects.toThrow(error);
    expect(seen.steps.at(-1)).toBe("0: extract FAILED > -");
    return runs;
  };
  expect(await runsOf(new DocumentFault("DOCUMENT_CORRUPT", "broken"), 5)).toBe(1);
  expect(await runsOf(new StageFailure("STAGE_FAILED", "no", false), 5)).toBe(1);
  expect(await runsOf(new StageFailure("STAGE_TIMEOUT", "slow", true))).toBe(1);
  expect(await runsOf(new StageFailure("STAGE_TIMEOUT", "slow", true), 3)).toBe(3);
});

test("an order to stop ends the wait between two runs, and is no failure of the stage", async () => {
  const plan = planStages(change("extract", { retry: { maxAttempts: 5 }, onFailure: "SKIP" }), "source");
  const { seen, ports: all } = ports(new Map(), ({ config }) => {
    if (config.type === "extract") throw new StageFailure("STAGE_TIMEOUT", "slow", true);
  });
  const wait = () => Promise.reject(new Error("cancelled"));
  await expect(runPipeline(plan, { ...all, wait })).rejects.toThrow("cancelled");
  expect(seen.steps.at(-1)).toBe("0: detect SUCCEEDED > extract");
});

test("a stage of the operator's runs under its own type, and a type that is not there is told by name", () => {
  const stamp = { type: "stamp", version: 3, description: "", parseOptions: (raw: unknown) => raw };
  const custom = createStageCatalogue({ custom: [stamp] });
  const stage = (type: string) => ({ name: "mine", type: "custom", options: { type, options: { a: 1 } } });
  expect(planWith([stage("stamp")], "source", custom)).toMatchObject([{ type: "stamp", options: { a: 1 } }]);
  const unavailable = (retryable: boolean) =>
    expect.objectContaining({ reason: "STAGE_UNAVAILABLE", retryable });
  // Another worker may have the operator's; what is built in is the same everywhere.
  expect(() => planWith([stage("other")], "source", custom)).toThrow(unavailable(true));
  expect(() => planWith([{ name: "mine", type: "nonsense", options: {} }], "source", custom)).toThrow(
    unavailable(false),
  );
});
