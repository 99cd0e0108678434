import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export const readText = (path: string): string =>
  readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

export interface Service {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly disable?: boolean; readonly test?: readonly string[] };
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly deploy?: {
    readonly replicas?: number;
    readonly resources?: { readonly limits?: { readonly memory?: string; readonly pids?: number } };
  };
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, object>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
}

/** The file as Compose sees it when no variable is set: anchors merged, `${NAME:-default}` replaced. */
export function readCompose(): Compose {
  const text = readText("docker-compose.yml").replace(/\$\{[A-Z_]+:-([^}]*)\}/g, "$1");
  return parse(text, { merge: true }) as Compose;
}

/** The shell commands that the head of the file asks for before the first start. */
export function preparation(): string {
  const head = readText("docker-compose.yml").split("\nname:")[0] ?? "";
  return [...head.matchAll(/^# {3}(\S.*)$/gm)].map(([, line]) => line).join("\n");
}

export interface Instruction {
  readonly stage: number;
  readonly name: string;
  readonly text: string;
}

/** The instructions of the Dockerfile, continued lines joined, comments left out. */
export function readDockerfile(): Instruction[] {
  const lines = readText("Dockerfile")
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n/g, " ")
    .split("\n");
  let stage = -1;
  return lines
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", text = ""] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
      if (name === "FROM") stage++;
      return { stage, name, text: text.replace(/\s+/g, " ") };
    });
}

/** The variables that the image itself sets. */
export function imageEnvironment(): Record<string, string> {
  const last = Math.max(...readDockerfile().map(({ stage }) => stage));
  const lines = readDockerfile().filter(({ stage, name }) => stage === last && name === "ENV");
  return Object.fromEntries(lines.flatMap(({ text }) => text.split(" ").map((pair) => pair.split("="))));
}
