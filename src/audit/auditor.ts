import { afterCommit, type Sql } from "../db/sql.ts";
import { systemClock } from "../lib/clock.ts";
import type { Actor, AuditEntry, AuditRow } from "./model.ts";
import { insertAuditRows } from "./queries.ts";
import { keyOf, newKey, toRow } from "./rows.ts";

/** Writes the record of what was changed, and by whom. */
export interface Auditor {
  /**
   * Appends one entry in the caller's transaction: it is there exactly when the change is. One with the action of the
   * actor's call is the call's own row, and holds the call's request as well; a call has one of them.
   * Whatever the entry holds, it is made storable; it never fails for its content.
   */
  record(tx: Sql, actor: Actor, entry: AuditEntry): Promise<void>;
  /** The same for many, in one statement. */
  recordMany(tx: Sql, entries: readonly (AuditEntry & { readonly actor: Actor })[]): Promise<void>;
}

/** @param now milliseconds since the epoch, by which rows are dated */
export function createAuditor(now: () => number = systemClock.now): Auditor {
  const recordMany: Auditor["recordMany"] = async (tx, entries) => {
    if (entries.length === 0) return;
    await insertAuditRows(
      tx,
      entries.map(({ actor, ...entry }) => changeRow(now(), actor, entry)),
    );
    afterCommit(tx, () => {
      for (const { actor, action } of entries) {
        if (actor.trail?.action === action) actor.trail.committed = true;
      }
    });
  };
  return {
    record: (tx, actor, entry) => recordMany(tx, [{ ...entry, actor }]),
    recordMany,
  };
}

function changeRow(ms: number, actor: Actor, entry: AuditEntry): AuditRow {
  const { trail } = actor;
  if (!trail) return toRow(newKey(ms), actor, entry);
  const decision = "allowed";
  if (trail.action !== entry.action) return toRow(newKey(ms), actor, { ...entry, decision });
  return toRow(keyOf(trail, ms), actor, {
    code: entry.success === false ? "" : "ok",
    durationMs: trail.elapsedMs(),
    ...entry,
    decision,
    details: { ...trail.details(), ...entry.details },
  });
}
