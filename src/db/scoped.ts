import type postgres from "postgres";
import type { Scope } from "../lib/caller.ts";

type Sql = postgres.ISql;
type Transaction = postgres.TransactionSql;

/**
 * Statements in the name of a caller: the first argument of every query that serves one. The server shows them only what
 * is in their scope, whatever they ask for; their own conditions by `scope` are the first wall.
 */
export type ScopedSql = Sql & { readonly scope: Scope };

/** A transaction in which only rows of certain owners can be seen and changed. */
export type WalledTransaction = Transaction & {
  /**
   * Does a part of the transaction on everybody's rows.
   * @param reason why it cannot do with those of its owners; for whoever reads the code
   */
  everybody<T>(reason: string, work: (tx: Transaction) => Promise<T>): Promise<T>;
};

/** A transaction in the name of one caller. */
export type ScopedTransaction = WalledTransaction & { readonly scope: Scope };

/** The first wall: the condition that a row is in the scope of its statement. @param column holds the owner's id */
export function inScope(sql: ScopedSql, column = "owner_id"): postgres.PendingQuery<postgres.Row[]> {
  const { ownerId } = sql.scope;
  return ownerId === null ? sql`true` : sql`${sql(column)} = ${ownerId}::uuid`;
}

/** The owners whose rows may be seen, as the policies of the tables read them; null when all may. */
export function ownersOf(scopes: readonly Scope[]): string | null {
  const owners = scopes.map(({ ownerId }) => ownerId);
  return owners.includes(null) ? null : [...new Set(owners)].join(",");
}

/** Statement that lets what comes after it, on its connection or in its transaction, see rows of these owners alone. */
export function enterScope(sql: Sql, owners: string, inTransaction: boolean) {
  return sql`select enter_scope(${owners}, ${inTransaction})`;
}

/** The transaction with the walls up, and the way around them. */
export function walled(tx: Transaction, owners: string | null): WalledTransaction {
  if (owners === null) {
    const everybody: WalledTransaction["everybody"] = async (_reason, work) => await work(tx);
    return Object.assign(tx, { everybody });
  }
  const everybody: WalledTransaction["everybody"] = async (_reason, work) => {
    // When it fails, so does every later statement of the transaction.
    tx`select leave_scope()`.catch(() => {});
    try {
      return await work(tx);
    } finally {
      enterScope(tx, owners, true).catch(() => {});
    }
  };
  return Object.assign(tx, { everybody });
}
