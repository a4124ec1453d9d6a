// Runs: which entries of a batch lie in one row, and how.

import t from 'tap'
import { joinRun, runsOf, splitRun } from '../../../plugins/store-sqlite/runs.ts'
import type { NewEntry } from '../../../protocol/entry.ts'

const entry = (conversation: string, from: string, kind = 'text', fields = ''): NewEntry => ({
  conversation,
  from,
  body: { kind, messageId: undefined, fields },
})

const indexesOf = (batch: readonly NewEntry[]) => runsOf(batch).map(({ indexes }) => indexes)

t.test('a run is what one sender says in one conversation, nobody between', async (t) => {
  const batch = [
    entry('a', 'x'),
    entry('b', 'x'),
    entry('a', 'x'),
    entry('a', 'y'),
    entry('a', 'x'),
  ]
  t.strictSame(indexesOf(batch), [[0, 2], [1], [3], [4]])
})

t.test('a run is of one kind', async (t) => {
  t.strictSame(indexesOf([entry('a', 'x'), entry('a', 'x', 'media'), entry('a', 'x', 'media')]), [
    [0],
    [1, 2],
  ])
})

t.test('a run has bounds', async (t) => {
  const many = Array.from({ length: 100 }, () => entry('a', 'x'))
  t.strictSame(
    indexesOf(many).map(({ length }) => length),
    [64, 36],
  )
  const long = Array.from({ length: 5 }, () => entry('a', 'x', 'text', '-'.repeat(10_000)))
  t.strictSame(indexesOf(long), [[0, 1], [2, 3], [4]])
})

t.test('the text of a run is its entries again', async (t) => {
  const bodies = [
    { kind: 'text', messageId: 'one 1', fields: '"text":"ü🜚"' },
    { kind: 'text', messageId: undefined, fields: '' },
    { kind: 'text', messageId: 'three', fields: '"text":"\\u001e\\u001f"' },
  ]
  const text = joinRun(bodies.map((body) => ({ ...entry('a', 'x'), body })))
  t.strictSame(
    splitRun(text).map((content) => ({ kind: 'text', ...content })),
    bodies,
  )
})
