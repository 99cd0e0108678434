import type { Pipeline } from "./model.ts";
import type { PipelineKey } from "./queries.ts";

/** How long a process may go on with what it knows of a pipeline. */
const FRESH_MS = 1_000;
const MAX_KNOWN = 1_000;

/**
 * What a process knows of pipelines, so that not every new job asks the database: at most a second old, counted from
 * before it was asked for, and forgotten when the process itself changes one.
 */
export function createPipelineMemory(deps: {
  read(key: PipelineKey): Promise<Pipeline | null>;
  /** Milliseconds, monotonic. */
  now(): number;
}) {
  const known = new Map<string, { at: number; pipeline: Promise<Pipeline | null> }>();
  return {
    async find(key: PipelineKey): Promise<Pipeline | null> {
      const label = "id" in key ? `id ${key.id}` : `name ${key.name}`;
      const before = known.get(label);
      if (before && deps.now() - before.at < FRESH_MS) return await before.pipeline;
      const entry = { at: deps.now(), pipeline: deps.read(key) };
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(label, entry);
      const drop = (): void => {
        if (known.get(label) === entry) known.delete(label);
      };
      try {
        const found = await entry.pipeline;
        if (!found) drop();
        return found;
      } catch (error) {
        drop();
        throw error;
      }
    },
    /** What was asked for before is not used again: to be called when a change is committed. */
    forget(): void {
      known.clear();
    },
  };
}
