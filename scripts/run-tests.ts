// Runs the compiled tests with tap, prints readable progress, and closes with the line
// `N passed, N failed` or `N passed, N failed, N skipped`. Arguments name test files or folders
// (test/x.test.ts); with PARLEY_REQUIRE_ALL=1 a skipped test counts as a failed one.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { concludeRun, makeTapReader } from './tap-summary.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The compiled files for a file or folder of sources, as tap takes them. */
function compiledFiles(word: string): string {
  if (word.startsWith('-') || word.startsWith('build/')) return word
  const isFolder = statSync(`${root}${word}`, { throwIfNoEntry: false })?.isDirectory()
  if (isFolder) return `build/${word.replace(/\/$/, '')}/**/*.test.js`
  return `build/${word.replace(/\.ts$/, '.js')}`
}

async function runTap(reader: ReturnType<typeof makeTapReader>): Promise<number> {
  const words = process.argv.slice(2).map(compiledFiles)
  const tap = spawn(
    process.execPath,
    ['node_modules/tap/dist/esm/run.mjs', 'run', '--reporter=tap', ...words],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(tap, 'close')
  for await (const line of createInterface({ input: tap.stdout })) {
    for (const shown of reader.read(line)) console.log(shown)
  }
  const [exitCode] = await exited
  return typeof exitCode === 'number' ? exitCode : 1
}

const requireAll = process.env.PARLEY_REQUIRE_ALL === '1'
const reader = makeTapReader()
const tapExitCode = await runTap(reader)
const totals = reader.totals()
const conclusion = concludeRun(totals, tapExitCode, requireAll)

if (reader.skips().length > 0) {
  console.log(`\n${requireAll ? 'Skipped, and all are required' : 'Skipped'}:`)
  for (const skip of reader.skips()) console.log(`  ${skip}`)
}
if (totals === undefined) console.log('\ntap did not finish its run')
else if (tapExitCode !== 0 && totals.failed === 0) {
  console.log(`\ntap ended with exit code ${tapExitCode}, though no test failed`)
}
console.log(`\n${conclusion.line}`)
process.exitCode = conclusion.succeeded ? 0 : 1
