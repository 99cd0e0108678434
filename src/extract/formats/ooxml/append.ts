/** Adds all to the end of `list`; unlike a spread into `push`, without a limit from the call stack. */
export function append<T>(list: T[], more: Iterable<T>): void {
  for (const item of more) list.push(item);
}
