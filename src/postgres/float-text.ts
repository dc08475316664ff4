/**
 * A float as `float8out` (`digits` 15) or `float4out` (6) writes it where `extra_float_digits` is 1 or more: the shortest
 * text that reads back the same; with an exponent below 1e-4 and from 1e`digits` on (double_to_shortest_decimal,
 * common/d2s.c). Where a decimal lies exactly half-way between two floats the server spells more digits out; both read
 * back the same.
 */
export function floatText(value: number, size: "float4" | "float8"): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponentText] = (size === "float8" ? value.toExponential() : shortestSingle(value)).split("e") as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= (size === "float8" ? 15 : 6)) {
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = digits.slice(exponent + 1);
  return `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

function shortestSingle(value: number): string {
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === value) return trimmed(text);
  }
  return trimmed(value.toExponential(8));
}

function trimmed(text: string): string {
  return text.replace(/\.?0+e/, (zeros) => (zeros.startsWith(".") ? "e" : zeros.includes(".") ? "e" : zeros));
}
