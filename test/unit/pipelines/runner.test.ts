import { expect, test } from "vitest";
import { DocumentFault } from "../../../src/extract/errors.ts";
import type { StageConfig } from "../../../src/pipelines/model.ts";
import {
  type PlannedStage,
  planStages,
  runPipeline,
  type StageReport,
} from "../../../src/pipelines/runner.ts";
import { StageFailure } from "../../../src/stages/stage.ts";

const TYPES = ["fetch", "detect", "extract", "normalize", "enrich"];
const STAGES: StageConfig[] = TYPES.map((type) => ({ name: `the ${type}`, type, options: {} }));
const keysOf = (plan: readonly PlannedStage[], count: number) =>
  new Map(plan.slice(0, count).map(({ position, key }) => [position, key]));

interface Recorded {
  steps: string[];
  runs: string[];
  restored: number[];
}

/** Ports that write down what they are told; each stage answers a path with its position. */
function ports(keys: ReadonlyMap<number, string>, run?: (stage: PlannedStage) => void) {
  const seen: Recorded = { steps: [], runs: [], restored: [] };
  const label = (report: StageReport | null) =>
    report ? `${report.stage.config.type} ${report.status}` : "-";
  return {
    seen,
    ports: {
      now: () => 0,
      keys: async () => keys,
      restore: async (position: number) => {
        seen.restored.push(position);
        return `restored-${position}`;
      },
      step: async (step: {
        ended: StageReport | null;
        started: PlannedStage | null;
        restored: readonly PlannedStage[];
      }) => {
        seen.steps.push(
          `${step.restored.length}: ${label(step.ended)} > ${step.started?.config.type ?? "-"}`,
        );
      },
      run: async (stage: PlannedStage, input: string | null) => {
        seen.runs.push(`${stage.config.type} on ${input}`);
        run?.(stage);
        return stage.config.type === "fetch" ? null : `out-${stage.position}`;
      },
    },
  };
}

test("stages run in order, each on what the one before left, and every step is told once", async () => {
  const plan = planStages(STAGES, "source");
  const { seen, ports: all } = ports(new Map());
  expect(await runPipeline(plan, all)).toBe("out-4");
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
  expect(await runPipeline(plan, all)).toBe("out-4");
  expect(seen.restored).toEqual([2]);
  expect(seen.runs).toEqual(["normalize on restored-2", "enrich on out-3"]);
  expect(seen.steps[0]).toBe("3: - > normalize");
});

test("a run whose outputs are all there runs nothing and answers the last", async () => {
  const plan = planStages(STAGES, "source");
  const { seen, ports: all } = ports(keysOf(plan, 5));
  expect(await runPipeline(plan, all)).toBe("restored-4");
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
  const stages = STAGES.map((stage) =>
    stage.type === "normalize" ? { ...stage, onFailure: "SKIP" as const } : stage,
  );
  const plan = planStages(stages, "source");
  const { seen, ports: all } = ports(new Map(), ({ config }) => {
    if (config.type === "normalize") throw new StageFailure("STAGE_FAILED", "no", false);
  });
  expect(await runPipeline(plan, all)).toBe("out-4");
  expect(seen.runs.at(-1)).toBe("enrich on out-2");
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

test("an unknown type and faulty options are failures that trying again does not mend, and name the stage", () => {
  const one = (stage: Partial<StageConfig>) => () =>
    planStages([{ name: "mine", type: "extract", options: {}, ...stage }], "source");
  for (const stage of [{ type: "nonsense" }, { type: "fetch", options: { max_bytes: -1 } }]) {
    expect(one(stage)).toThrow(StageFailure);
    expect(one(stage)).toThrow(/mine/);
  }
});
