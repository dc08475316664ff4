/** Eighths of a cell, from empty to full. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/** A bar of exactly `width` cells, filled from the left by `share` (0 to 1). */
export function bar(share: number, width: number): string {
  const eighths = Math.floor(Math.min(1, Math.max(0, share)) * width * 8);
  const full = Math.floor(eighths / 8);
  const part = EIGHTHS[eighths % 8]!;
  return "█".repeat(full) + part + "░".repeat(width - full - part.length);
}
