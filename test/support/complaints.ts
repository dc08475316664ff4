import { execFile } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a package's program to its end; gives what it says where something is wrong. */
export async function complaints(program: string, ...words: string[]): Promise<string> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [path.join(ROOT, "node_modules", program), ...words], { cwd: ROOT, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve(error === null ? "" : `${stdout}${stderr}` || error.message);
    });
  });
}
