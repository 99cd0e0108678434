import type { Command } from "commander";

/** The commands that run or keep a server; each returns its exit code. */
export interface ServerCommands {
  serve(options: {
    worker: boolean;
    embedded: boolean;
    migrate: boolean;
    /** Modules with stages of the operator's. */
    stages: readonly string[];
  }): Promise<number>;
  worker(options: { stages: readonly string[] }): Promise<number>;
  migrate(): Promise<number>;
  config(): Promise<number>;
  doctor(options: {
    repair: boolean;
    all: boolean;
    json: boolean;
    /** What to type to run the program, for advice. */
    programName: string;
  }): Promise<number>;
  /** Verifies an export of the audit log; asks no server. */
  verifyAuditFile(options: {
    file: string;
    /** Public key in PEM; null: the one in the export. */
    keyFile: string | null;
    json: boolean;
  }): Promise<number>;
  createUser(options: { email: string; name?: string; roles: string[]; service: boolean }): Promise<number>;
  resetPassword(options: { email: string }): Promise<number>;
  rotateKeys(options: { compromised: boolean }): Promise<number>;
  listKeys(options: { json: boolean }): Promise<number>;
}

/** Servers check pipelines by them, workers run them. */
const STAGES: [flags: string, description: string, fallback: string[]] = [
  "--stages <file...>",
  "modules with stages of your own; give the same to every server and worker",
  [],
];

export function registerServerCommands(
  program: Command,
  commands: ServerCommands,
  run: (action: () => Promise<number>) => Promise<void>,
): void {
  program
    .command("serve")
    .description("run a server: API, worker and everything else in one process")
    .option("--no-worker", "run no jobs in this process")
    .option("--no-embedded", "start no database of its own; DATABASE_URL must name one")
    .option("--no-migrate", "leave the database's schema alone; fail if it is not up to date")
    .option(...STAGES)
    .addHelpText(
      "after",
      `\nExamples:\n  $ ${program.name()} serve\n  $ SLUICE_ADDR=0.0.0.0:8080 DATABASE_URL=postgres://… ${program.name()} serve --no-worker`,
    )
    .action((options: { worker: boolean; embedded: boolean; migrate: boolean; stages: string[] }) =>
      run(() => commands.serve(options)),
    );
  program
    .command("worker")
    .description("run jobs for the server that uses the same database")
    .option(...STAGES)
    .action((options: { stages: string[] }) => run(() => commands.worker(options)));
  program
    .command("migrate")
    .description("bring the database's schema up to date")
    .action(() => run(() => commands.migrate()));
  program
    .command("config")
    .description("show the settings in force and where each comes from; secrets are not shown")
    .action(() => run(() => commands.config()));

  program
    .command("doctor")
    .description("look for what is wrong with this installation, and mend what is safe to mend")
    .option("--repair", "mend what can be mended without a risk", false)
    .option("--all", "look at every job and object, not only at open and recent ones", false)
    .option("--json", "print one JSON value a line", false)
    .addHelpText(
      "after",
      "\nWorks on the database and the files directly, beside running servers and without one. The exit code is 1 if a\nfault is found, or left after --repair; warnings do not count.",
    )
    .action((options: { repair: boolean; all: boolean; json: boolean }) =>
      run(() => commands.doctor({ ...options, programName: program.name() })),
    );

  const admin = program.command("admin").description("keep users, directly in the database");
  admin
    .command("create-user")
    .description("create a user and print a first password")
    .argument("<email>")
    .option("--name <name>", "name of the user, for people")
    .option(
      "--role <name...>",
      "roles of the user: viewer, developer, operator, auditor, admin, or your own",
      [],
    )
    .option("--service", "a service account: no password, API keys only", false)
    .action((email: string, options: { name?: string; role: string[]; service: boolean }) => {
      const { name, role: roles, service } = options;
      return run(() => commands.createUser({ email, roles, service, ...(name ? { name } : {}) }));
    });
  admin
    .command("reset-password")
    .description("give a user a new password, print it, and end all sessions of the user")
    .argument("<email>")
    .action((email: string) => run(() => commands.resetPassword({ email })));

  const keys = program
    .command("keys")
    .description("keep the keys that access tokens are signed with, directly in the database");
  keys
    .command("rotate")
    .description(
      "let the next key sign, on every server within 5 s; tokens of the old one stay good for their time",
    )
    .option("--compromised", "condemn all keys of now: what they have signed is refused at once", false)
    .action((options: { compromised: boolean }) => run(() => commands.rotateKeys(options)));
  keys
    .command("list")
    .description("show the keys, newest first: next, active, retired")
    .option("--json", "print one JSON value a line", false)
    .action((options: { json: boolean }) => run(() => commands.listKeys(options)));
}
