/** Does some work, and closes what it needed whether it went well or not; a failure of the work is the one that is thrown. */
export async function closing<T>(needed: { close(): Promise<unknown> }, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await needed.close();
  }
}
