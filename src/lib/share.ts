/**
 * Equal questions of one turn of the event loop are answered by one piece of work. None joins work that has begun: its
 * answer may be from before the question.
 */
export function createShare<T>(): (key: string, work: () => Promise<T>) => Promise<T> {
  const asked = new Map<string, Promise<T>>();
  return (key, work) => {
    const known = asked.get(key);
    if (known) return known;
    const answer = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      asked.delete(key);
      return work();
    });
    asked.set(key, answer);
    return answer;
  };
}
