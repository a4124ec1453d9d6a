// The tables of the benchmark: medians, verdicts, and their place in the document.

import t from 'tap'
import { type Case, judge, ratio, value } from '../../bench/compare/case.ts'
import { insertResults } from '../../bench/compare/document.ts'
import { mediansOf } from '../../bench/compare/rounds.ts'
import { formatResults } from '../../bench/compare/table.ts'
import { aedesInMemory } from '../../bench/contenders/aedes.ts'
import { makeParley } from '../../bench/contenders/parley.ts'
import type { Figures } from '../../bench/load/report.ts'

const cheap = ratio('CPU / aedes', 'cpu', 'aedes', { atMost: 1.1 })
const quick = ratio('drain / aedes', 'draining', 'aedes', { atLeast: 3 })
const whole = value('lost', 'lost', { atMost: 0 })

function of(parley: Figures | undefined, aedes?: Figures) {
  return (name: string) => (name === 'parley' ? parley : aedes)
}

t.test('a ratio within its limit is met, and one beyond it is missed', async (t) => {
  t.match(judge(cheap, of({ cpu: 11 }, { cpu: 10 })), { outcome: 'met', measured: 1.1 })
  t.match(judge(cheap, of({ cpu: 11.1 }, { cpu: 10 })), { outcome: 'missed' })
  t.match(judge(quick, of({ draining: 30 }, { draining: 10 })), { outcome: 'met' })
  t.match(judge(quick, of({ draining: 29 }, { draining: 10 })), { outcome: 'missed' })
  t.match(judge(whole, of({ lost: 0 })), { outcome: 'met' })
  t.match(judge(whole, of({ lost: 1 })), { outcome: 'missed' })
})

t.test('what has not run is not measured, and what is no number is missed', async (t) => {
  t.match(judge(cheap, of({ cpu: 11 })), { outcome: 'not measured', measured: undefined })
  t.match(judge(cheap, of({ cpu: Number.NaN }, { cpu: 10 })), { outcome: 'missed' })
})

t.test('rounds become medians, but faults are added up', async (t) => {
  const rounds = [
    { cpu: 3, lost: 0 },
    { cpu: 1, lost: 5 },
    { cpu: 2, lost: 0 },
  ]
  t.same(mediansOf(rounds), { cpu: 2, lost: 5 })
})

t.test('the table shows the contenders, the verdicts and what failed', async (t) => {
  const subject: Case = {
    name: 'pairs',
    title: 'Some pairs',
    contenders: ['parley', 'aedes'],
    population: { users: [], groups: [] },
    columns: [
      { title: 'CPU', figure: 'cpu', digits: 1 },
      { title: 'Redis', figure: 'redis', digits: 1 },
    ],
    wanted: [cheap, whole],
    run: async () => ({}),
  }
  const medians = new Map([
    ['parley', { cpu: 22, lost: 0 }],
    ['aedes', { cpu: 10, lost: 9 }],
  ])
  const result = { of: subject, medians, failures: ['round 1/1: it broke'] }
  const text = formatResults([result], [makeParley([]), aedesInMemory])
  t.match(text, '### Some pairs')
  t.match(text, '| parley | 22.0 |\n| aedes | 10.0 |', 'without a column nobody fills')
  t.match(text, '| CPU / aedes | at most 1.1 | 2.2 | **missed** |')
  t.match(text, '| lost | at most 0 | 0 | met |')
  t.match(text, '- failed: round 1/1: it broke')
})

t.test('results take the place of earlier ones and leave the rest of the document', async (t) => {
  const first = insertResults('# Benchmarks\n\nWords.\n', 'old')
  t.match(first, /^# Benchmarks\n\nWords\.\n\n<!--.*-->\n\nold\n\n<!--.*-->\n$/)
  const second = insertResults(`${first}\nMore words.\n`, 'new')
  t.match(second, /Words\.\n\n<!--.*-->\n\nnew\n\n<!--.*-->\n\nMore words\.\n$/)
  t.notMatch(second, 'old')
})
