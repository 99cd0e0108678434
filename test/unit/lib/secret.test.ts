import { inspect } from "node:util";
import { pino } from "pino";
import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { Secret } from "../../../src/lib/secret.ts";

test("a secret shows itself to whoever asks for it, and to no printer", () => {
  const secret = new Secret("hunter2");
  expect(secret.reveal()).toBe("hunter2");
  const shown = [
    `${secret}`,
    String(secret),
    JSON.stringify({ secret }),
    inspect({ deep: [secret] }, { showHidden: true, depth: 9 }),
    JSON.stringify({ ...secret }),
    JSON.stringify(Object.entries(secret)),
  ];
  expect(shown.join("\n")).not.toContain("hunter2");
  expect(shown[0]).toBe("[redacted]");
});

test("logging the whole configuration shows none of its secrets", () => {
  const config = loadConfig({
    DATABASE_URL: "postgres://u:planted-1@h/db",
    REDIS_URL: "redis://:planted-2@h",
    SLUICE_S3_ACCESS_KEY_ID: "planted-3",
    SLUICE_S3_SECRET_ACCESS_KEY: "planted-4",
    SLUICE_ADMIN_PASSWORD: "planted-5-and-longer",
    SLUICE_MASTER_KEY: "0f1e2d3c4b5a69788796a5b4c3d2e1f00123456789abcdef0123456789abcdef",
  });
  const lines: string[] = [];
  pino({}, { write: (line: string) => void lines.push(line) }).info({ config }, "started");
  lines.push(inspect(config, { depth: 9, showHidden: true }));
  expect(lines.join("\n")).not.toMatch(/planted|0f1e2d|abcdef|15, ?30, ?45/i);
  expect(config.databaseUrl?.reveal()).toContain("planted-1");
});
