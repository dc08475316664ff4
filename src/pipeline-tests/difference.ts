/** A line of a difference: there as expected, missing, or there and not expected. */
export interface DifferenceLine {
  readonly sign: " " | "-" | "+";
  readonly text: string;
}

/** How two lists differ: the longest common part stays (Wagner and Fischer), what is expected and missing comes before what is there in its place. */
export function difference<E, G>(expected: readonly E[], got: readonly G[], matches: (expected: E, got: G) => boolean, expectedText: (expected: E) => string, gotText: (got: G) => string): DifferenceLine[] {
  const lengths = Array.from({ length: expected.length + 1 }, () => new Uint32Array(got.length + 1));
  for (let i = expected.length - 1; i >= 0; i--) {
    for (let j = got.length - 1; j >= 0; j--) {
      lengths[i]![j] = matches(expected[i]!, got[j]!) ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  const lines: DifferenceLine[] = [];
  let [i, j] = [0, 0];
  while (i < expected.length || j < got.length) {
    if (i < expected.length && j < got.length && matches(expected[i]!, got[j]!)) {
      lines.push({ sign: " ", text: gotText(got[j]!) });
      i++;
      j++;
    } else if (i < expected.length && (j === got.length || lengths[i + 1]![j]! >= lengths[i]![j + 1]!)) lines.push({ sign: "-", text: expectedText(expected[i++]!) });
    else lines.push({ sign: "+", text: gotText(got[j++]!) });
  }
  return lines;
}
