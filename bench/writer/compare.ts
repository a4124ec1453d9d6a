// Where shall appends run? `node build/bench/writer/compare.js [rounds] [host …]` measures each
// host at each load, several rounds in turn, and prints the medians; 3 rounds take 2.5 minutes.
// How a slow disk changes the picture: run it under a library (LD_PRELOAD) that delays fsync.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { hostNames } from './hosts.ts'
import { loads } from './load.ts'
import type { Figures } from './run.ts'

const rounds = Number(process.argv[2] ?? 3)
const named = process.argv.slice(3)
const hosts = named.length > 0 ? named : [...hostNames]
const script = fileURLToPath(new URL('./run.js', import.meta.url))

const columns: readonly (readonly [keyof Figures, string, number])[] = [
  ['rowsPerSecond', 'rows/s', 0],
  ['mainCpu', 'main µs/row', 1],
  ['totalCpu', 'total µs/row', 1],
  ['latency50', 'p50 ms', 2],
  ['latency99', 'p99 ms', 2],
  ['lag50', 'lag p50', 2],
  ['lag99', 'lag p99', 2],
  ['lagMax', 'lag max', 1],
  ['read99', 'read p99', 2],
]

const runs = new Map<string, Figures[]>()
for (let round = 0; round < rounds; round++) {
  for (const load of loads) {
    for (const host of hosts) {
      const output = execFileSync(process.execPath, [script, host, load.name], {
        encoding: 'utf8',
        timeout: 60_000,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const key = `${load.name}|${host}`
      runs.set(key, [...(runs.get(key) ?? []), JSON.parse(output) as Figures])
    }
  }
}

console.log(`Node ${process.version}, median of ${rounds} rounds`)
console.log(`| load | host | ${columns.map(([, title]) => title).join(' | ')} |`)
console.log(`|---|---|${'---|'.repeat(columns.length)}`)
for (const [key, figures] of runs) {
  const cells = columns.map(([name, , digits]) => median(figures, name).toFixed(digits))
  console.log(`| ${key.split('|').join(' | ')} | ${cells.join(' | ')} |`)
}

function median(figures: readonly Figures[], name: keyof Figures): number {
  // JSON has no NaN: it arrives as null.
  const values = figures.map((figure) => figure[name] ?? Number.NaN).sort((a, b) => a - b)
  return values[Math.floor(values.length / 2)] ?? Number.NaN
}
