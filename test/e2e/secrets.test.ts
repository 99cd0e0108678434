import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type DescMethod, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type Canary, createCanaries, isRedacted, sightings } from "../support/contract/canaries.ts";
import { idFieldsOf, type Resource } from "../support/contract/ids.ts";
import { make } from "../support/contract/makers.ts";
import { METHODS, pathOf } from "../support/contract/methods.ts";
import { fill } from "../support/contract/requests.ts";
import { type Person, type Stand, startStand } from "../support/contract/stand.ts";
import { allWires } from "../support/contract/wires.ts";
import { inParallel } from "../support/parallel.ts";
import { eventually } from "../support/processes.ts";

/** Files whose purpose is to hold a secret, for their owner alone. */
const SECRET_FILES = new Set(["local-api-key", "admin-password", "master-key"]);
const AT_ONCE = 8;
/** The name of one resource for the fields of every method. */
type Ids = ReadonlyMap<Resource, string>;

async function idsOf(person: Person): Promise<Ids> {
  const kinds = [...new Set(METHODS.flatMap(idFieldsOf).map(({ resource }) => resource))];
  const made = await Promise.all(kinds.map(async (kind) => [kind, await make(kind, person)] as const));
  return new Map(made);
}

/** Every string and bytes field of the method's request is a word of its own. */
function requestOf(method: DescMethod, ids: Ids, word: Parameters<typeof fill>[1]["word"]) {
  const resources = new Map(idFieldsOf(method).map(({ field, resource }) => [field, resource]));
  const id = (field: Parameters<typeof fill>[1]["word"] extends (field: infer F) => string ? F : never) => {
    const resource = resources.get(field);
    return resource && field.oneof === undefined ? ids.get(resource) : undefined;
  };
  return fill(method.input, { all: true, id, word });
}

/** Ends the session of whoever calls. */
const endsAccess = ({ name }: DescMethod): boolean => /^(Logout|ChangePassword)$/.test(name);

/** Every row of every table, as text; bytes in hexadecimal. */
async function tablesOf({ sql }: Stand): Promise<Map<string, string>> {
  const tables = await sql<{ name: string }[]>`
    select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`;
  const texts = new Map<string, string>();
  for (const { name } of tables) {
    const rows = await sql.unsafe<{ row: string }[]>(`select to_jsonb(t)::text as row from ${name} t`);
    texts.set(`table ${name}`, rows.map(({ row }) => row).join("\n"));
  }
  return texts;
}

function filesUnder(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true }) as string[];
  const files = names.filter((name) => !SECRET_FILES.has(name) && statSync(join(folder, name)).isFile());
  return new Map(files.map((name) => [`file ${name}`, readFileSync(join(folder, name), "latin1")]));
}

test("a secret in any field of any request or in a header is found in no table, log, error, metric and file", async () => {
  await using stand = await startStand({ env: { SLUICE_LOG_LEVEL: "debug" } });
  const { site, server, admin, port } = stand;
  const worker = await site.worker();
  const canaries = createCanaries();
  for (const { password, accessToken, refreshToken } of [admin, stand.alice]) {
    canaries.know("a password", password);
    canaries.know("an access token", accessToken.split(".")[2] ?? "");
    canaries.know("a refresh token", refreshToken);
  }
  canaries.know("the local API key", site.apiKey());
  canaries.know("the master key", stand.masterKey.toString("hex"));
  const errors: string[] = [];
  const wires = allWires(port);
  const [grpc, web, json] = wires;
  if (!grpc || !web || !json) throw new Error("a protocol is missing");
  const headers = () => ({
    cookie: `session=${canaries.inHeader("cookie")}`,
    "proxy-authorization": `Basic ${Buffer.from(canaries.inHeader("proxy-authorization")).toString("base64")}`,
    "x-auth-token": canaries.inHeader("x-auth-token"),
  });
  const ids = await idsOf(admin);
  const plantIn = async (method: DescMethod): Promise<void> => {
    const own = { authorization: `Bearer ${admin.accessToken}` };
    const valid = () => requestOf(method, ids, canaries.inField);
    const garbage = canaries.inHeader("authorization");
    const long = requestOf(method, new Map(), canaries.inField);
    const answers = await Promise.all([
      grpc.call({ method, request: valid(), headers: { ...headers(), ...own }, patienceMs: 3_000 }),
      web.call({ method, request: valid(), headers: { ...headers(), authorization: `Bearer ${garbage}` } }),
      web.call({
        method,
        request: valid(),
        headers: { ...headers(), "x-api-key": `slk_${garbage.slice(0, 12)}_${garbage}` },
      }),
    ]);
    for (const { error, message } of answers) {
      errors.push(error);
      if (message) canaries.knowAnswer(method.output, message);
    }
    // Against the rules, so that faults are told: every text is too long, and there is a field too many.
    const body = JSON.stringify(toJson(method.input, long)).replaceAll(
      /"(c[0-9a-f]{20})"/g,
      (_, word) => `"${word}${"x".repeat(5_000)}"`,
    );
    const refused = await fetch(`${site.url}${pathOf(method)}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers(), ...own },
      body,
    });
    errors.push(await refused.text());
    const unknown = await fetch(`${site.url}${pathOf(method)}?token=${canaries.inHeader("query")}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...own },
      body: JSON.stringify({ noSuchField: canaries.inHeader("unknown field") }),
    });
    errors.push(await unknown.text());
  };
  await inParallel(
    AT_ONCE,
    METHODS.filter((method) => !endsAccess(method)),
    plantIn,
  );
  for (const method of METHODS.filter(endsAccess)) await plantIn(method);
  for (const path of ["/health", "/files/x", "/nothing", "/.well-known/jwks.json"])
    errors.push(
      await (
        await fetch(
          `${site.url}${path}?sig=${canaries.inHeader("query")}&token=${canaries.inHeader("query")}`,
        )
      ).text(),
    );

  // A job that a worker runs with the password of its document.
  const again = await stand.login(stand.bob);
  const password = canaries.inField(
    METHODS.find(({ name }) => name === "CreateJob")?.input.field.password as never,
  );
  const { job } = await again.client.jobs.createJob({ source: { case: "text", value: "a text" }, password });
  await eventually(
    async () => (await again.client.jobs.getJob({ id: job?.id ?? "" })).job?.endTime !== undefined,
    "the job has ended",
    60_000,
  );
  const metrics = await (await fetch(`${site.url}/metrics`)).text();
  for (const wire of wires) wire.close();
  for (const program of [worker, server]) program.kill("SIGTERM");
  for (const program of [worker, server]) await program.exit();

  const outside = new Map([
    ["the log of the server", server.stdout + server.stderr],
    ["the log of the worker", worker.stdout + worker.stderr],
    ["metrics", metrics],
  ]);
  const everywhere = new Map([
    ...outside,
    ...(await tablesOf(stand)),
    ...filesUnder(site.dataDir),
    ["errors", errors.join("\n")],
  ]);
  const secret = canaries.planted.filter(({ isSecret }) => isSecret);
  const plain = canaries.planted.filter(({ isSecret }) => !isSecret);
  expect(sightings(secret, everywhere).filter((sighting) => !isOwnContent(sighting))).toEqual([]);
  expect(sightings(plain, outside)).toEqual([]);
  // They did arrive: what callers store on purpose is there.
  expect(sightings(plain, everywhere).length).toBeGreaterThan(20);
  expect(placesOf(secret)).toEqual(expect.arrayContaining(redactedFields()));
});

/** The text of a job is kept from logs and errors like a secret, and stands where documents and results do. */
const isOwnContent = (sighting: string): boolean =>
  /CreateJobRequest\.text in table public\.(documents|job_results|job_result_contents|job_stages)$/.test(
    sighting,
  );

const placesOf = (canaries: readonly Canary[]): string[] => [...new Set(canaries.map(({ place }) => place))];

/** The secrets that requests have at their top. */
function redactedFields(): string[] {
  return METHODS.flatMap(({ input }) =>
    input.fields.filter(isRedacted).map((field) => `${input.typeName}.${field.name}`),
  );
}
