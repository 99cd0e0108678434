import type { NodeResponse } from "./node-http.ts";

/**
 * Cuts an answer when its reader has taken nothing of what waits for it for `unreadMs`. What waits is bounded, since
 * handlers write on only when it was taken; without the cut a reader that stays and never reads holds its handler for ever.
 */
export function cutUnread(res: NodeResponse, unreadMs: number): void {
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const cut = () => res.destroy();
  const write = res.write.bind(res) as (...args: unknown[]) => boolean;
  res.write = (...args: unknown[]): boolean => {
    const isTaken = write(...args);
    if (!isTaken) timer ??= setTimeout(cut, unreadMs);
    return isTaken;
  };
  res.on("drain", stop);
  res.once("close", stop);
}
