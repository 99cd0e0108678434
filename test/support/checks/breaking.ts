import { spawnSync } from "node:child_process";

// Compares the contract with branch main: what clients rely on there must still be here (`buf breaking`, FILE).

const git = (...args: string[]): string | null => {
  const { status, stdout } = spawnSync("git", args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
};

const skip = (reason: string): void => {
  process.stdout.write(`skipped: ${reason}\n`);
};

/** The ref that holds main; on a build machine there is often only the remote's. */
const findMain = (): string | undefined =>
  ["refs/heads/main", "refs/remotes/origin/main"].find((ref) => git("rev-parse", "--verify", "--quiet", ref));

const folder = git("rev-parse", "--path-format=absolute", "--git-common-dir");
const main = findMain();
if (!folder) skip("this is no git checkout, so there is nothing to compare the contract with");
else if (!main)
  skip("no branch main here (a clone of one other branch?); fetch it to compare the contract with it");
else if (git("cat-file", "-e", `${main}:buf.yaml`) === null) skip("branch main has no contract yet");
else {
  if (git("rev-parse", main) === git("rev-parse", "HEAD")) {
    process.stdout.write("HEAD is main: this compares only what is not committed yet\n");
  }
  // The commit itself, in a copy of the repository, since buf can fetch branches but no other commits by name.
  const { status } = spawnSync("buf", ["breaking", "--against", `${folder}#format=git,ref=${main}`], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
}
