// The rules of write-once positions, one by one, for one process over a store in memory.

import t from 'tap'
import { StoreFailure } from '../../../../protocol/failure.ts'
import type { AppendOutcome } from '../../../../services/log/ports.ts'
import { makeInsist } from '../../../../services/log/positions/attempts.ts'
import { makePlace } from '../../../../services/log/positions/place.ts'
import {
  makeMemoryPositions,
  makeMemorySequencer,
  messageOf,
  placed,
} from '../support/memory-positions.ts'

/** One process that places messages of `g:town`; every look at its clock takes a millisecond. */
function makeProcess() {
  const store = makeMemoryPositions()
  const sequencer = makeMemorySequencer()
  let now = 0
  let tokens = 0
  const clock = () => ++now
  const insist = makeInsist({ clock, pause: async () => {}, failed() {}, worked() {} })
  const place = makePlace({ store, sequencer, insist, clock })
  const put = async (...messages: readonly ReturnType<typeof messageOf>[]) => {
    const outcomes: AppendOutcome[] = []
    const items = messages.map((message) => {
      return { message, token: `t${++tokens}`, clientId: message.body.messageId }
    })
    const batch = { items, at: 7, giveUpAt: now + 1000 }
    await place({
      ...batch,
      placed: (index, outcome) => {
        outcomes[index] = outcome
      },
    })
    return outcomes.map(({ kind, seq }) => `${kind} ${seq}`)
  }
  return { store, sequencer, put }
}

t.test('entries are written at the positions that were reserved', async (t) => {
  const { store, put } = makeProcess()
  t.strictSame(await put(messageOf('a'), messageOf('b')), ['appended 1', 'appended 2'])
  t.strictSame(await put(messageOf('c')), ['appended 3'])
  t.equal(store.entries.get(3)?.clientId, 'c')
})

t.test('what is sent after a message that was found elsewhere stands behind it', async (t) => {
  for (const mayBeStored of [true, false]) {
    const { store, put } = makeProcess()
    await put(messageOf('a'))
    // By another process, with a position from another life of the sequencer.
    store.entries.set(100, placed('b', 100))
    t.strictSame(await put(messageOf('b', mayBeStored)), ['duplicate 100'])
    const [outcome = ''] = await put(messageOf('c'))
    t.ok(Number(outcome.split(' ')[1]) > 100, outcome)
  }
})

t.test('a process looks at the log when the sequencer has forgotten', async (t) => {
  const { store, sequencer, put } = makeProcess()
  await put(messageOf('a'))
  store.entries.set(50, placed('b', 50))
  Object.assign(sequencer, { last: 1, epoch: 'second' })
  t.strictSame(await put(messageOf('c')), ['appended 51'])
})

t.test('a process looks at the log when somebody has just come', async (t) => {
  const { store, put } = makeProcess()
  await put(messageOf('a'))
  store.entries.set(50, placed('b', 50))
  t.strictSame(await put(messageOf('c', true)), ['appended 51'])
})

t.test('after a conflict all that is left gets new positions, and none stays empty', async (t) => {
  const { store, put } = makeProcess()
  await put(messageOf('a'))
  store.entries.set(3, placed('x', 3))
  const outcomes = await put(messageOf('b'), messageOf('c'), messageOf('d'))
  t.strictSame(outcomes, ['appended 2', 'appended 5', 'appended 6'])
  t.equal(store.entries.get(4)?.from, '', 'a void')
})

t.test('after a void nothing is asked of the log', async (t) => {
  const { store, put } = makeProcess()
  await put(messageOf('a'))
  await store.fill('g:town', [2], 1)
  store.head = async () => {
    throw new Error('was asked')
  }
  t.strictSame(await put(messageOf('b')), ['appended 3'])
})

t.test('an entry whose answer was lost is found where it was to stand', async (t) => {
  const { store, put } = makeProcess()
  const { insert } = store
  let isLost = true
  store.insert = async (entries) => {
    const inserted = await insert(isLost ? entries.slice(0, 1) : entries)
    if (!isLost) return inserted
    isLost = false
    throw new StoreFailure('no answer')
  }
  t.strictSame(await put(messageOf('a'), messageOf('b')), ['appended 1', 'appended 2'])
  t.equal(store.entries.size, 2)
})

t.test('gives up in time when positions are taken again and again', async (t) => {
  const { store, sequencer, put } = makeProcess()
  await put(messageOf('a'))
  sequencer.raise = async () => {}
  sequencer.reserve = async () => ({ first: 1, epoch: 'first' })
  await t.rejects(put(messageOf('b')), StoreFailure)
  sequencer.reserve = async () => ({ first: 5, epoch: 'first' })
  store.insert = async () => ({
    kind: 'conflict',
    index: 0,
    there: { ...placed('', 5), from: '' },
  })
  await t.rejects(put(messageOf('c')), StoreFailure)
})
