import { tryMasterKey } from "../auth/signing-key-pairs.ts";
import type { Sql } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import { createSecretBox } from "../lib/secret-box.ts";
import { openSecret } from "../pipelines/secrets.ts";
import type { Check, Finding } from "./model.ts";
import { sealedPasswords, sealedPipelines } from "./secrets-queries.ts";
import { agree, counted } from "./words.ts";

const MAX_PASSWORDS = 100;
const MAX_PIPELINES = 1_000;
const RESTORE =
  "Restore `master-key` in the data folder, or SLUICE_MASTER_KEY, as it was when this database was set up.";

export interface SecretsDeps {
  readonly sql: Sql;
  /** Null when none has been made. @throws when it cannot be read */
  readonly masterKey: () => Promise<Uint8Array | null>;
}

/** Does the master key open what is encrypted in the database? */
export function secretsCheck({ sql, masterKey }: SecretsDeps): Check {
  return {
    name: "master key",
    needs: ["schema"],
    async run() {
      let key: Uint8Array | null;
      try {
        key = await masterKey();
      } catch (error) {
        return [
          { level: "fault", code: "MASTER_KEY_UNREADABLE", message: messageOf(error).replace(/\.$/, "") },
        ];
      }
      // Whatever key: what matters without one is whether there is something to open.
      const { keys, opened } = await tryMasterKey(sql, key ?? Buffer.alloc(32));
      const passwords = await sealedPasswords(sql, MAX_PASSWORDS);
      const pipelines = await sealedPipelines(sql, MAX_PIPELINES);
      if (keys + passwords.length + pipelines.length === 0) {
        return [{ level: "ok", code: "OK", message: "nothing is encrypted yet" }];
      }
      if (!key) {
        const message = "the master key is missing, and the database holds what only it can open";
        return [{ level: "fault", code: "MASTER_KEY_MISSING", message, advice: RESTORE }];
      }
      const findings: Finding[] = [];
      if (opened < keys) {
        const message = `the master key does not open ${keys - opened} of ${counted(keys, "signing key")}`;
        findings.push({ level: "fault", code: "MASTER_KEY_WRONG", message, advice: RESTORE });
      }
      const shut = passwords.filter(({ id, password }) => !opens(key, id, password)).map(({ id }) => id);
      if (shut.length > 0) {
        findings.push({
          level: "fault",
          code: "PASSWORD_SEALED",
          message: `the master key does not open the document passwords of ${counted(shut.length, "open job")}, which will fail`,
          advice: `${RESTORE} Else cancel ${agree(shut.length, "this job", "these jobs")} and submit the documents again.`,
          count: shut.length,
          ids: shut,
        });
      }
      const box = createSecretBox(key, "pipeline secrets");
      const closed = pipelines.filter(({ id, stages }) =>
        stages.some((stage) => !succeeds(() => openSecret(box, id, stage))),
      );
      if (closed.length > 0) {
        findings.push({
          level: "fault",
          code: "PIPELINE_SEALED",
          message: `the master key does not open secrets of ${counted(closed.length, "pipeline")}, whose jobs will fail`,
          advice: `${RESTORE} Else set the secrets of ${agree(closed.length, "this pipeline", "these pipelines")} again.`,
          count: closed.length,
          ids: closed.map(({ id }) => id),
        });
      }
      if (findings.length > 0) return findings;
      const parts = [
        counted(keys, "signing key"),
        ...(passwords.length > 0 ? [counted(passwords.length, "document password")] : []),
        ...(pipelines.length > 0 ? [`the secrets of ${counted(pipelines.length, "pipeline")}`] : []),
      ];
      return [{ level: "ok", code: "OK", message: `it opens ${parts.join(" and ")}` }];
    },
  };
}

function opens(masterKey: Uint8Array, jobId: string, password: Uint8Array): boolean {
  return succeeds(() => createSecretBox(masterKey, "document passwords").open(password, jobId));
}

function succeeds(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}
