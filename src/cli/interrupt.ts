/** Ctrl-C as a signal. A second one, more than a second later, ends the process at once. */
export function onInterrupt(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  let first = 0;
  const take = () => {
    // One Ctrl-C can arrive twice, from the terminal and from a parent that passes it on.
    if (first === 0) first = Date.now();
    else if (Date.now() - first > 1_000) process.exit(130);
    controller.abort();
  };
  process.on("SIGINT", take);
  const release = () => {
    // After an interrupt the command only says goodbye; its exit code shall stand.
    if (!controller.signal.aborted) process.off("SIGINT", take);
  };
  return { signal: controller.signal, release };
}
