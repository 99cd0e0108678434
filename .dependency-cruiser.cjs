// Who may import whom (`npm run check`); src/README.md draws the same floors as a picture.
const DOMAINS = "audit|auth|doctor|events|jobs|pipelines|webhooks|system";
const CLIENTS = "console|cli";
const PRIVATE = "/(rpc|convert|[a-z-]*queries)\\.ts$";
const no = (name, from, to) => ({ name, severity: "error", from, to });

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    no("no-cycle", {}, { circular: true }),
    no("nothing-unresolvable", {}, { couldNotResolve: true }),
    no(
      "ground-knows-no-room",
      { path: "^src/(lib|telemetry|db|redis|rpc|queue|storage|egress|config)" },
      { path: `^src/(${DOMAINS}|stages|extract|worker|${CLIENTS}|app|main|commands)` },
    ),
    no(
      "cellar-knows-no-ground",
      { path: "^src/(lib|telemetry)/" },
      { path: "^src/", pathNot: "^src/(lib|telemetry)/" },
    ),
    no(
      "wells-know-no-edge",
      { path: "^src/(db|redis|config)" },
      { path: "^src/(rpc|queue|storage|egress)/" },
    ),
    no(
      "extract-knows-no-stage",
      { path: "^src/extract/" },
      { path: `^src/(${DOMAINS}|stages|worker|app|main)` },
    ),
    no("stages-touch-no-database", { path: "^src/(stages|extract)/" }, { path: "^src/(db|redis|queue)/" }),
    no(
      "records-know-no-domain",
      { path: "^src/(audit|events|stages)/" },
      { path: "^src/(auth|jobs|pipelines|webhooks|system|worker)/" },
    ),
    no(
      "neighbours-do-not-meet",
      { path: "^src/(auth|pipelines|webhooks)/" },
      { path: "^src/(auth|pipelines|webhooks|jobs|system|worker)/", pathNot: "^src/$1/" },
    ),
    no("jobs-know-pipelines-only", { path: "^src/jobs/" }, { path: "^src/(auth|webhooks|system|worker)/" }),
    no(
      "system-knows-records-only",
      { path: "^src/system/" },
      { path: "^src/(auth|jobs|pipelines|webhooks|worker|stages|extract)/" },
    ),
    no(
      "worker-is-on-top",
      { path: "^src/(?!sluice|main|app|commands|worker)" },
      { path: "^src/(worker|app|main|commands)" },
    ),
    no("nobody-calls-the-doctor", { path: "^src/(?!doctor|app|commands)" }, { path: "^src/doctor/" }),
    no(
      "the-doctor-calls-no-worker",
      { path: "^src/doctor/" },
      { path: `^src/(worker|rpc|${CLIENTS}|app|main|commands)` },
    ),
    no(
      "front-door",
      { path: "^src/(?!app/)([^/]+)/" },
      { path: `^src/(${DOMAINS})${PRIVATE}`, pathNot: "^src/$1/" },
    ),
    no("handlers-hold-no-sql", { path: "/(rpc|convert)\\.ts$" }, { path: "queries\\.ts$|^src/(db|redis)/" }),
    no(
      "model-is-pure",
      { path: "^src/[^/]+/(model|[a-z-]*errors)\\.ts$", pathNot: "^src/rpc/" },
      { path: "(service|queue|queries|rpc|convert)\\.ts$|^src/(db|redis|rpc)/|^gen/" },
    ),
    no(
      "wire-stays-at-the-edge",
      { path: "^src/", pathNot: `/(rpc|convert)\\.ts$|^src/(rpc|${CLIENTS})/` },
      { path: "^gen/|node_modules/(@connectrpc|@bufbuild)/" },
    ),
    no("one-door-to-postgres", { path: "^src/", pathNot: "^src/db/" }, { path: "node_modules/postgres/" }),
    no(
      "one-door-to-redis",
      { path: "^src/", pathNot: "^src/(redis|queue)/" },
      { path: "node_modules/ioredis/" },
    ),
    no("one-door-to-s3", { path: "^src/", pathNot: "^src/storage/s3/" }, { path: "node_modules/@aws-sdk/" }),
    no(
      "clients-use-the-public-api",
      { path: `^(sdk|src/(${CLIENTS}))/` },
      { path: "^(src|test)/", pathNot: `^src/(${CLIENTS})/` },
    ),
    no("sdk-knows-gen-only", { path: "^sdk/src/" }, { path: "^(src|test)/" }),
    no("product-knows-no-test", { path: "^(src|sdk)/" }, { path: "^test/" }),
    no(
      "product-needs-no-development-package",
      { path: "^(src|sdk/src)/" },
      { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["npm", "type-only"] },
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^sdk/dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    combinedDependencies: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types", "default"],
    },
  },
};
