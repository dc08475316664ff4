/**
 * A moment for others, between two looks at a state. To look at each turn of the event loop takes a core from those who are
 * to reach it.
 */
export async function moment(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5));
}
