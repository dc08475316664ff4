import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A fenced block of a page: "```toml name.toml" has a language and a name. */
export interface Block {
  readonly language: string;
  /** The file that it is; undefined for a part of one. */
  readonly name: string | undefined;
  readonly text: string;
  /** 1-based, of its first line. */
  readonly line: number;
}

/** A page of the documents. */
export interface Page {
  /** From the root, with slashes. */
  readonly file: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

const FENCED = /^```(?<language>\w*) ?(?<name>\S*)\n(?<text>[^]*?)^```$/gmu;

/** README, changelog and all of docs/. */
export const pages: readonly Page[] = [
  ...readdirSync(ROOT).filter((file) => file.endsWith(".md")),
  ...readdirSync(`${ROOT}docs`).filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`),
].map((file) => {
  const text = readFileSync(ROOT + file, "utf8");
  return { file, text, blocks: blocksOf(text) };
});

/** The text of a page without its fenced blocks and code, in which links and headings are looked for. */
export function proseOf({ text }: Page): string {
  return text.replaceAll(FENCED, "").replaceAll(/(`+)[^`]+?\1/gu, "");
}

function blocksOf(text: string): readonly Block[] {
  return [...text.matchAll(FENCED)].map(({ groups, index }) => ({
    language: groups!["language"]!,
    name: groups!["name"] === "" ? undefined : groups!["name"]!,
    text: groups!["text"]!,
    line: text.slice(0, index).split("\n").length + 1,
  }));
}
