/** What may end a command that has something to undo: Ctrl-C, `kill`, a terminal that is closed, a reader that has gone. */
export const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"] as const;

/** Ctrl-C, or any of `names`, as a signal. A second one, more than a second later, ends the process at once. */
export function onInterrupt(names: readonly NodeJS.Signals[] = ["SIGINT"]): {
  readonly signal: AbortSignal;
  release(): void;
} {
  const controller = new AbortController();
  let first = 0;
  const take = () => {
    // One Ctrl-C can arrive twice, from the terminal and from a parent that passes it on.
    if (first === 0) first = Date.now();
    else if (Date.now() - first > 1_000) process.exit(130);
    controller.abort();
  };
  for (const name of names) process.on(name, take);
  const release = () => {
    // After an interrupt the command only says goodbye; its exit code shall stand.
    if (!controller.signal.aborted) for (const name of names) process.off(name, take);
  };
  return { signal: controller.signal, release };
}
