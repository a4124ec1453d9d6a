// The write-behind of cursors: in bulk, kept while the store fails, and never without end.

import t from 'tap'
import { StoreFailure } from '../../../protocol/failure.ts'
import type { CursorSource } from '../../../services/delivery/cursors.ts'
import { makeCursors } from '../../../services/delivery/cursors.ts'
import type { CursorUpdate, DeviceStore } from '../../../services/delivery/ports.ts'
import { until } from '../../support/until.ts'
import { makeQuietLogger, never } from './support/devices.ts'

interface Setup {
  readonly writes: (readonly CursorUpdate[])[]
  readonly store: Pick<DeviceStore, 'saveCursors'>
  readonly warnings: string[]
  failures: number
  /** Awaited by each write. */
  pace: () => Promise<void>
}

function setup(): Setup {
  const warnings: string[] = []
  const it: Setup = {
    writes: [],
    warnings,
    failures: 0,
    pace: async () => {},
    store: {
      async saveCursors(updates) {
        await it.pace()
        if (it.failures > 0) {
          it.failures--
          throw new StoreFailure('disk full')
        }
        it.writes.push(updates)
      },
    },
  }
  return it
}

const make = ({ store, warnings }: Setup, flushMs = never) =>
  makeCursors(store, makeQuietLogger(warnings), { flushMs })

function position(conversation: string, acked = 1): CursorSource & { acked: number } {
  const it = {
    acked,
    isCurrent: () => true,
    cursor: () => ({ user: 'a', device: 'p', conversation, acked: it.acked, sent: it.acked }),
  }
  return it
}

const namesOf = (writes: Setup['writes']) =>
  writes.map((updates) => updates.map(({ conversation, acked }) => `${conversation}:${acked}`))

t.test('what moved is written in bulk, once, as it is then', async (t) => {
  const it = setup()
  const cursors = make(it, 5)
  t.teardown(() => cursors.close())
  const [one, two] = [position('x'), position('y')]
  for (const moving of [one, two, one]) cursors.moved(moving)
  one.acked = 7
  await until('a write', () => it.writes.length > 0)
  t.same(namesOf(it.writes), [['x:7', 'y:1']])
  cursors.moved(two)
  await until('another', () => it.writes.length > 1)
  t.same(namesOf(it.writes).slice(1), [['y:1']])
})

t.test('a bulk has at most 1000 cursors', async (t) => {
  const it = setup()
  const cursors = make(it)
  for (let i = 0; i < 2500; i++) cursors.moved(position(`c${i}`))
  await cursors.close()
  t.same(
    it.writes.map(({ length }) => length),
    [1000, 1000, 500],
  )
})

t.test('what could not be written is written with the next bulk', async (t) => {
  const it = setup()
  const cursors = make(it, 5)
  t.teardown(() => cursors.close())
  it.failures = 2
  cursors.moved(position('x', 3))
  await until('it is written', () => it.writes.length > 0)
  t.same(namesOf(it.writes), [['x:3']])
  t.equal(it.warnings.length, 1, 'told once, not with each try')
})

t.test('flush writes those of one session that moved, and no others', async (t) => {
  const it = setup()
  const cursors = make(it)
  const [one, two, still] = [position('x'), position('y'), position('z')]
  cursors.moved(one)
  cursors.moved(two)
  await cursors.flush([one, still])
  t.same(namesOf(it.writes), [['x:1']])
  await cursors.flush([one])
  t.equal(it.writes.length, 1, 'nothing moved since')
  await cursors.close()
  t.same(namesOf(it.writes).slice(1), [['y:1']])
})

t.test('flush waits for a bulk that holds its positions', async (t) => {
  const it = setup()
  const cursors = make(it, 5)
  t.teardown(() => cursors.close())
  let open = () => {}
  let isBegun = false
  it.pace = () => {
    isBegun = true
    return new Promise((resolve) => {
      open = resolve
    })
  }
  const one = position('x')
  cursors.moved(one)
  await until('the bulk begins', () => isBegun)
  let isFlushed = false
  const flushed = cursors.flush([one]).then(() => {
    isFlushed = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(isFlushed, false)
  it.pace = async () => {}
  open()
  await flushed
  t.same(namesOf(it.writes), [['x:1']])
})

t.test('a bulk ends although positions keep moving', async (t) => {
  // With traffic something always moves: the store must not be written to without a pause, and a
  // device that takes over must not wait for a quiet moment.
  const it = setup()
  const cursors = make(it, 20)
  const [busy, other] = [position('busy'), position('other')]
  let isBusy = true
  it.pace = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    if (isBusy) cursors.moved(busy)
  }
  t.teardown(() => {
    isBusy = false
    return cursors.close()
  })
  cursors.moved(busy)
  await until('a bulk has begun', () => it.writes.length > 0)
  cursors.moved(other)
  let isFlushed = false
  void cursors.flush([other]).then(() => {
    isFlushed = true
  })
  await until('the flush ends', () => isFlushed, 500).catch(() => {})
  t.equal(isFlushed, true)
  t.ok(it.writes.length < 100, `${it.writes.length} writes in that time`)
})

t.test('close writes what is left, and gives up when the store fails', async (t) => {
  const it = setup()
  const cursors = make(it)
  cursors.moved(position('x'))
  it.failures = 1
  await cursors.close()
  t.same(it.writes, [])
  t.equal(it.warnings.length, 1)
})
