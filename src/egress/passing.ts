/** Besides the errors of servers: too late, too early, too often (RFC 9110, 8470, 6585). */
const PASSING = new Set([408, 425, 429]);

/** Whether the same call may be answered otherwise a moment later. */
export function mayPass(status: number): boolean {
  return status >= 500 || PASSING.has(status);
}
