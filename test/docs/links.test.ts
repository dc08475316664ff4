import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type Page, pages, proseOf, ROOT } from "./pages.js";

/** What GitHub makes of a heading: lower case, without punctuation, dashes for spaces. */
function anchorOf(heading: string): string {
  return heading.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
}

function anchorsOf({ text }: Page): ReadonlySet<string> {
  return new Set([...text.replaceAll(/^```[^]*?^```$/gmu, "").matchAll(/^#+ (.+)$/gmu)].map(([, heading]) => anchorOf(heading!)));
}

function linksOf(page: Page): readonly string[] {
  return [...proseOf(page).matchAll(/\]\((?<target>[^)\s]+)\)/gu)].map(({ groups }) => groups!["target"]!);
}

describe.each(pages.map((page) => [page.file, page] as const))("%s", (_, page) => {
  test("has links that lead somewhere", () => {
    const broken = linksOf(page).filter((link) => {
      if (/^https?:/u.test(link)) return false;
      const [file, anchor] = link.split("#") as [string, string | undefined];
      const target = file === "" ? page.file : path.posix.join(path.posix.dirname(page.file), file);
      if (!existsSync(ROOT + target)) return true;
      const other = pages.find((each) => each.file === target);
      return anchor !== undefined && (other === undefined || !anchorsOf(other).has(anchor));
    });
    expect(broken).toEqual([]);
  });

  test("has one title, which is its first heading", () => {
    expect(page.text.replaceAll(/^```[^]*?^```$/gmu, "").match(/^# .+$/gmu)).toHaveLength(1);
    expect(/^#+ /mu.exec(page.text)?.[0]).toBe("# ");
  });
});

test("every page is reached from the README", () => {
  const seen = new Set(["README.md"]);
  for (const file of seen) {
    const page = pages.find((each) => each.file === file);
    for (const link of page === undefined ? [] : linksOf(page)) seen.add(path.posix.join(path.posix.dirname(file), link.split("#")[0]!));
  }
  expect(pages.map(({ file }) => file).filter((file) => !seen.has(file))).toEqual([]);
});
