import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { pages, ROOT } from "./pages.js";

const { text } = pages.find(({ file }) => file === "docs/architecture.md")!;
const source = readdirSync(`${ROOT}src`, { recursive: true, encoding: "utf8" }).map((file) => file.replaceAll("\\", "/"));

test("every folder of src/ has its line", () => {
  const folders = readdirSync(`${ROOT}src`, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(folders.filter((folder) => !text.includes(`\`${folder}\``))).toEqual([]);
});

test("every file that is named is there", () => {
  const named = [...text.matchAll(/`(?:src\/)?(?<file>[\w/-]+\.ts)`/gu)].map(({ groups }) => groups!["file"]!);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((file) => !source.some((each) => each === file || each.endsWith(`/${file}`)))).toEqual([]);
});

test("every dependency has its reason, and no other", () => {
  const { dependencies, optionalDependencies, peerDependencies, devDependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as Record<string, Record<string, string>>;
  const [runtime, development] = text.slice(text.indexOf("## Dependencies")).split("For development only:");
  const rowsOf = (part: string): readonly string[] => [...part.matchAll(/^\| (?<packages>[^|`]+) \|/gmu)].flatMap(({ groups }) => groups!["packages"]!.split(", ")).filter((name) => name !== "Package").sort();
  const reasoned = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
  expect(rowsOf(runtime!)).toEqual(reasoned.sort());
  expect(rowsOf(development!)).toEqual(Object.keys(devDependencies!).filter((name) => !name.startsWith("@types/") && !reasoned.includes(name)).sort());
});
