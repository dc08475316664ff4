import { existsSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { ROOT } from "./pages.js";

/** What the compiler says of files under strict settings, where "pg-reshard" is this project's source. */
export function typeErrors(files: readonly string[]): readonly string[] {
  const { config } = ts.readConfigFile(path.join(ROOT, "tsconfig.json"), (file) => ts.sys.readFile(file)) as { config: { compilerOptions: object } };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
  const paths = Object.fromEntries([["pg-reshard", "src/index.ts"], ["pg-reshard/testing", "src/testing.ts"]].filter(([, file]) => existsSync(path.join(ROOT, file!))).map(([name, file]) => [name!, [path.join(ROOT, file!)]]));
  const program = ts.createProgram({ rootNames: files, options: { ...options, noEmit: true, allowImportingTsExtensions: true, paths } });
  return files.flatMap((file) => {
    const source = program.getSourceFile(file)!;
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(({ start, messageText }) => `${path.basename(file)}:${source.getLineAndCharacterOfPosition(start ?? 0).line + 1}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
  });
}
