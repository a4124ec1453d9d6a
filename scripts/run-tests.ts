// Runs the compiled tests with tap, prints readable progress, and closes with the line
// `N passed, N failed` or `N passed, N failed, N skipped`. Arguments name test files or folders
// (test/x.test.ts); with PARLEY_REQUIRE_ALL=1 a skipped test counts as a failed one. With
// `--every-level` what clients see is run at the other levels of MQTT too, and counted in.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { concludeRuns, makeTapReader, type TapRun } from './tap-summary.ts'

const everyLevel = '--every-level'
const root = fileURLToPath(new URL('../../', import.meta.url))

/** What `--every-level` adds, as PARLEY_TEST_LEVEL names the levels. */
const otherLevels = [
  { level: '3', words: ['test/clients'] },
  { level: '5', words: ['test/clients', 'test/mqtt'] },
] as const

/** Tests of whole clusters: a dozen processes each, whose time-outs mean something only when no
 * other test has the machine. */
const clusters = 'build/test/fault/cluster*.test.js'

/** The compiled files for a file or folder of sources, as tap takes them. */
function compiledFiles(word: string): string {
  if (word.startsWith('-') || word.startsWith('build/')) return word
  const isFolder = statSync(`${root}${word}`, { throwIfNoEntry: false })?.isDirectory()
  if (isFolder) return `build/${word.replace(/\/$/, '')}/**/*.test.js`
  return `build/${word.replace(/\.ts$/, '.js')}`
}

async function runTap(words: readonly string[], level?: string): Promise<TapRun> {
  const reader = makeTapReader()
  const tap = spawn(
    process.execPath,
    ['node_modules/tap/dist/esm/run.mjs', 'run', '--reporter=tap', ...words.map(compiledFiles)],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: level === undefined ? process.env : { ...process.env, PARLEY_TEST_LEVEL: level },
    },
  )
  const exited = once(tap, 'close')
  for await (const line of createInterface({ input: tap.stdout })) {
    for (const shown of reader.read(line)) console.log(shown)
  }
  const [exitCode] = await exited
  const where = level === undefined ? '' : `level ${level}: `
  return {
    totals: reader.totals(),
    skips: reader.skips().map((skip) => `${where}${skip}`),
    exitCode: typeof exitCode === 'number' ? exitCode : 1,
  }
}

const words = process.argv.slice(2)
const requireAll = process.env.PARLEY_REQUIRE_ALL === '1'
const named = words.filter((word) => word !== everyLevel)
const runs = [await runTap(named.length > 0 ? named : [`--exclude=${clusters}`])]
if (named.length === 0) runs.push(await runTap([clusters, '--jobs=1']))
if (words.includes(everyLevel)) {
  for (const { level, words } of otherLevels) {
    console.log(`\nWith clients of level ${level}:`)
    runs.push(await runTap(words, level))
  }
}
const conclusion = concludeRuns(runs, requireAll)

const skips = runs.flatMap((run) => run.skips)
if (skips.length > 0) {
  console.log(`\n${requireAll ? 'Skipped, and all are required' : 'Skipped'}:`)
  for (const skip of skips) console.log(`  ${skip}`)
}
for (const { totals, exitCode } of runs) {
  if (totals === undefined) console.log('\ntap did not finish its run')
  else if (exitCode !== 0 && totals.failed === 0) {
    console.log(`\ntap ended with exit code ${exitCode}, though no test failed`)
  }
}
console.log(`\n${conclusion.line}`)
process.exitCode = conclusion.succeeded ? 0 : 1
