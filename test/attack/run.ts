/**
 * Attacks of every kind against a server: `npm run attack`. It starts one, or takes `--url` with accounts in ATTACK_ADMIN,
 * ATTACK_ALICE and ATTACK_BOB. `--only` takes a part of a name, `--without` a guard that is taken away first. Ends with 1
 * when something got through.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startTestPostgres } from "../support/postgres.ts";
import { endProgramsWithUs } from "../support/processes.ts";
import { type Attack, type Flood, NotTriedError } from "./attack.ts";
import { ATTACKS, FLOODS } from "./attacks/all.ts";
import { brokenCheckout } from "./broken.ts";
import { type Measured, startGoodClient } from "./good-client.ts";
import { type Options, readOptions } from "./options.ts";
import { type Outcome, summaryOf, tableOf } from "./table.ts";
import { findTarget, startTarget, type Target } from "./target.ts";

const MOST_P99_MS = 200;
const MOST_GROWTH_MIB = 50;
/** How long one part of a run may take, attack or start: beyond that it hangs. */
const MOST_MS = 120_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

let watchdog: NodeJS.Timeout | undefined;

/** Ends the run as failed if this part of it hangs. */
function begins(part: string): void {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => {
    say(`FAILED: ${part}: not done after ${MOST_MS / 1000} s`);
    process.exit(1);
  }, MOST_MS).unref();
}

async function outcomeOf(name: string, work: () => Promise<Outcome["tries"]>): Promise<Outcome> {
  const began = performance.now();
  try {
    const tries = await work();
    return { name, tries, seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    if (error instanceof NotTriedError) return { name, tries: [], notTried: error.message };
    return {
      name,
      tries: [{ what: "to run it", came: String((error as Error).stack ?? error), held: false }],
    };
  }
}

async function oneByOne(target: Target, attacks: readonly Attack[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { name, run } of attacks) {
    begins(name);
    const outcome = await outcomeOf(name, () => run(target));
    say(tableOf([outcome]));
    outcomes.push(outcome);
  }
  return outcomes;
}

async function allAtOnce(target: Target, floods: readonly Flood[], options: Options): Promise<Outcome[]> {
  begins("the floods");
  const before = await startGoodClient(target);
  await sleep(options.calmMs);
  const calm = await before.stop();
  const good = await startGoodClient(target);
  const signal = AbortSignal.timeout(options.floodMs);
  const outcomes = await Promise.all(
    floods.map(({ name, run }) => outcomeOf(`${name} (flood)`, () => run(target, signal))),
  );
  const measured = await good.stop();
  const all = [
    ...outcomes,
    { name: "A well-behaved client meanwhile", tries: judge(calm, measured, options) },
  ];
  say(tableOf(all));
  return all;
}

function judge(calm: Measured, flooded: Measured, { judgesTime }: Options): Outcome["tries"] {
  const ms = ({ calls, p50, p99 }: Measured): string =>
    `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms of ${calls}`;
  const growth = (flooded.rssMib ?? 0) - (calm.rssMib ?? 0);
  const mib =
    calm.rssMib === null
      ? "not of this machine"
      : `${calm.rssMib.toFixed(0)} MiB before, + ${growth.toFixed(0)} MiB`;
  return [
    { what: "GetJob, before the floods", came: ms(calm), held: calm.failed === 0 && calm.calls > 0 },
    {
      what: `GetJob, while they run: p99 at most ${MOST_P99_MS} ms`,
      came: `${ms(flooded)}, ${flooded.failed} failed${judgesTime ? "" : "; time is not judged"}`,
      held: flooded.failed === 0 && (!judgesTime || flooded.p99 <= MOST_P99_MS),
    },
    {
      what: `the server's memory: at most + ${MOST_GROWTH_MIB} MiB`,
      came: judgesTime ? mib : `${mib}; not judged`,
      held: !judgesTime || growth <= MOST_GROWTH_MIB,
    },
  ];
}

async function attack(options: Options): Promise<number> {
  const chosen = <T extends { name: string }>(all: readonly T[]): T[] =>
    all.filter(({ name }) => name.toLowerCase().includes(options.only.toLowerCase()));
  const [attacks, floods] = [chosen(ATTACKS), chosen(FLOODS)];
  if (attacks.length + floods.length === 0)
    throw new RangeError(`No attack has "${options.only}" in its name.`);
  begins("the start");
  await using parts = new AsyncDisposableStack();
  if (!options.url) {
    const postgres = await startTestPostgres();
    parts.defer(() => postgres.stop());
  }
  const checkout = options.without ? parts.use(await brokenCheckout(options.without)) : null;
  const target = parts.use(
    await (options.url ? findTarget(options.url, process.env) : startTarget(checkout)),
  );
  say(`${target.url}${options.without ? `, WITHOUT ${options.without.toUpperCase()}` : ""}`);
  const outcomes = await oneByOne(target, attacks);
  if (floods.length > 0) outcomes.push(...(await allAtOnce(target, floods, options)));
  begins("the end");
  const { text, through } = summaryOf(outcomes);
  say(`\n${through === 0 ? "ok" : "FAILED"}: ${text}`);
  for (const { name, tries } of outcomes)
    for (const { what, came, held } of tries)
      if (!held) say(`  got through: ${name}: ${what}: ${came.slice(0, 300)}`);
  return through;
}

const options = readOptions(process.argv.slice(2));
endProgramsWithUs();
process.exitCode = (await attack(options)) === 0 ? 0 : 1;
