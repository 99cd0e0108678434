import type { Fault } from "./arena.ts";
import type { Fleet } from "./fleet.ts";
import { LANES } from "./plan.ts";
import type { Count } from "./verdict.ts";

/** What the faults themselves showed: zombies that were refused or not, and a fleet that survived or not. */
export function countFaults(fleet: Fleet, faults: readonly Fault[], deaths: readonly string[]): Count[] {
  const zombies = faults.flatMap(({ zombie }) => zombie ?? []);
  const rerun = zombies.reduce((sum, zombie) => sum + zombie.rerun, 0);
  const refused = zombies.reduce((sum, zombie) => sum + zombie.refused, 0);
  const restarts = [...fleet.servers, ...fleet.workers].flatMap(({ refusedStarts }) => refusedStarts);
  const kinds = Object.values(LANES).flat();
  const missing = kinds.filter((kind) => !faults.some((fault) => fault.kind === kind));
  const stuck = faults.filter(({ recoveredMs, hit }) => recoveredMs === null && hit !== 0);
  const breach = (name: string, breaches: readonly string[]): Count => ({
    name,
    count: breaches.length,
    breaches,
  });
  return [
    { name: "zombies", count: zombies.length },
    {
      name: "attempts of zombies that another worker had taken over",
      count: rerun,
      breaches: rerun === 0 ? ["none: this run has not tried the fencing"] : [],
    },
    { name: "of these, refused", count: refused },
    { name: "starts that had to be made again", count: restarts.length, examples: [...new Set(restarts)] },
    breach("kinds of fault that did not come", missing),
    breach(
      "faults that went wrong",
      faults.flatMap((fault) => fault.faults ?? []),
    ),
    breach(
      "not recovered within a minute",
      stuck.map(({ kind }) => kind),
    ),
    breach("processes that ended by themselves", deaths),
  ];
}
