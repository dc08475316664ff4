import { distance } from "fastest-levenshtein";

/**
 * The candidate closest to `word`, or undefined where none is close: at most two in five of its letters may be
 * inserted, left out or exchanged. Letter case does not count.
 */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const allowed = Math.ceil(Math.max(candidate.length, 1) * 0.4);
    // The distance is at least the difference in length: very long words are never compared.
    if (Math.abs(candidate.length - word.length) > allowed) continue;
    const found = distance(wanted, candidate.toLowerCase());
    if (found <= allowed && found < bestDistance) {
      best = candidate;
      bestDistance = found;
    }
  }
  return best;
}
