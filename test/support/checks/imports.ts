import { spawnSync } from "node:child_process";

// The rules in .dependency-cruiser.cjs, and that they were applied to something: without a TypeScript that it can
// use, dependency-cruiser reads no .ts file and reports no violation.

const MIN_MODULES = 50;

interface Cruise {
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly unknown[] }[];
  readonly summary: {
    readonly totalDependenciesCruised: number;
    readonly violations: readonly {
      readonly rule: { readonly name: string };
      readonly from: string;
      readonly to: string;
      readonly cycle?: readonly { readonly name: string }[];
    }[];
  };
}

const { stdout, stderr } = spawnSync(
  "depcruise",
  ["--config", ".dependency-cruiser.cjs", "--output-type", "json", "src", "sdk", "test", "gen"],
  { encoding: "utf8", maxBuffer: 256 * 1024 * 1024 },
);
if (!stdout) throw new Error(`dependency-cruiser failed: ${stderr}`);
const { modules, summary } = JSON.parse(stdout) as Cruise;
const own = modules.filter(({ source }) => source.endsWith(".ts") && !source.includes("node_modules/"));
const linked = own.filter(({ dependencies }) => dependencies.length > 0);
if (linked.length <= MIN_MODULES) {
  throw new Error(
    `dependency-cruiser saw imports in only ${linked.length} TypeScript files; is the package \`typescript\` older than 7?`,
  );
}
for (const { rule, from, to, cycle } of summary.violations) {
  const way = cycle ? [from, ...cycle.map(({ name }) => name)].join(" → ") : `${from} → ${to}`;
  process.stdout.write(`${rule.name}: ${way}\n`);
}
process.stdout.write(
  `${own.length} TypeScript files, ${summary.totalDependenciesCruised} imports, ${summary.violations.length} violations\n`,
);
process.exitCode = summary.violations.length > 0 ? 1 : 0;
