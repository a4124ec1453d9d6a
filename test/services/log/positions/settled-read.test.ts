// Reading a log that has holes: what is shown, what is waited for, and what becomes void.

import t from 'tap'
import type { Entry } from '../../../../protocol/entry.ts'
import { isVoid } from '../../../../protocol/entry.ts'
import { makeSettledRead } from '../../../../services/log/positions/settled-read.ts'
import { makeMemoryPositions, placed } from '../support/memory-positions.ts'

const fillAfterMs = 100

/** A log in which stand the positions given; `read` reads it at `time.now`. */
function logWith(...seqs: readonly number[]) {
  const store = makeMemoryPositions()
  for (const seq of seqs) store.entries.set(seq, placed(`m${seq}`, seq))
  const time = { now: 0 }
  const pause = async (ms: number) => {
    time.now += ms
  }
  const settled = makeSettledRead({ store, clock: () => time.now, pause }, { fillAfterMs })
  const read = (range: Omit<Parameters<typeof settled>[1], 'limit'>, limit = 100) =>
    settled('g:town', { ...range, limit })
  return { store, time, read }
}

const shown = (entries: readonly Entry[]) =>
  entries.map((entry) => (isVoid(entry) ? `void ${entry.seq}` : `${entry.seq}`))

t.test('gives what comes before a hole, until it is filled', async (t) => {
  const { store, time, read } = logWith(1, 2, 4)
  t.strictSame(shown(await read({})), ['1', '2'])
  t.strictSame(shown(await read({ after: 2 })), [])
  time.now += fillAfterMs - 1
  t.strictSame(shown(await read({ after: 2 })), [], 'it is still young')
  store.entries.set(3, placed('late', 3))
  t.strictSame(shown(await read({ after: 2 })), ['3', '4'])
})

t.test('fills a hole with voids when it has been seen for long enough', async (t) => {
  const { store, time, read } = logWith(1, 4)
  await read({})
  time.now += fillAfterMs
  t.strictSame(shown(await read({})), ['1', 'void 2', 'void 3', '4'])
  t.equal(store.entries.size, 4)
})

t.test('what comes late wins over the void', async (t) => {
  const { store, time, read } = logWith(1, 3)
  await read({})
  time.now += fillAfterMs
  const { fill } = store
  store.fill = async (...args) => {
    store.entries.set(2, placed('late', 2))
    await fill(...args)
  }
  t.strictSame(shown(await read({})), ['1', '2', '3'])
})

t.test('fills a hole of any size in pieces', async (t) => {
  const { time, read } = logWith(1, 1202)
  await read({})
  for (let n = 0; n < 5; n++) {
    time.now += fillAfterMs
    await read({}, 2000)
  }
  t.equal((await read({}, 2000)).length, 1202)
})

t.test('a page of the past has no holes: it waits until they are filled', async (t) => {
  const { time, read } = logWith(1, 2, 4, 6)
  t.strictSame(shown(await read({ newestFirst: true }, 4)), ['6', 'void 5', '4', 'void 3'])
  t.ok(time.now >= fillAfterMs)
})

t.test('a page of the past does not miss the hole at its newest end', async (t) => {
  const { read } = logWith(1, 2, 4)
  t.strictSame(shown(await read({ before: 4, newestFirst: true }, 2)), ['void 3', '2'])
})

t.test('a page of the past does not miss the hole at its oldest end', async (t) => {
  const { read } = logWith(2, 3)
  t.strictSame(shown(await read({ newestFirst: true })), ['3', '2', 'void 1'])
  const empty = logWith(2, 3)
  t.strictSame(shown(await empty.read({ before: 2, newestFirst: true })), ['void 1'])
})

t.test('the end of the log is no hole', async (t) => {
  const { store, time, read } = logWith(1, 2)
  for (const range of [{}, { after: 2 }, { before: 9, newestFirst: true }, { before: 9 }]) {
    await read(range)
    time.now += fillAfterMs
    await read(range)
  }
  t.equal(store.entries.size, 2)
})
