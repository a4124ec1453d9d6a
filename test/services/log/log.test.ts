// The log over a store that follows a script: order, batches, bounds, and what happens when it
// fails.

import t from 'tap'
import { StoreFailure } from '../../../protocol/failure.ts'
import { type Log, type LogOptions, makeLog } from '../../../services/log/log.ts'
import type { MarkUpdate } from '../../../services/receipts/ports.ts'
import { makeSaveRead } from '../../../services/receipts/reads.ts'
import { until } from '../../support/until.ts'
import {
  makeNotebook,
  makeScriptedStore,
  request,
  type ScriptedStore,
  type Seen,
} from './support/scripted-store.ts'

interface Setup {
  readonly log: Log
  readonly store: ScriptedStore
  readonly seen: Seen[]
  readonly lines: string[]
  /** The time of the log, ms. */
  now: number
  add(text: string, more?: Parameters<typeof request>[2]): void
}

function setup(options: Partial<LogOptions> = {}): Setup {
  const store = makeScriptedStore()
  const logger = makeNotebook()
  const seen: Seen[] = []
  const announce: Parameters<typeof makeLog>[0]['announce'] = ({ body, seq }) =>
    void seen.push({ text: body.fields, what: 'announced', seq })
  const it: Setup = {
    store,
    seen,
    lines: logger.lines,
    now: 1_000_000,
    add: (text, more) => it.log.append(request(seen, text, more)),
    log: makeLog(
      { store, clock: () => it.now, logger, announce },
      {
        queueMax: 1000,
        queueBytesMax: 1_000_000,
        batchMax: 100,
        gatherMs: 0,
        waitMs: 1000,
        ...options,
      },
    ),
  }
  return it
}

const texts = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`)

/** The ends of requests that did not fail, as `text:seq`. */
const settledIn = (seen: readonly Seen[]) =>
  seen.filter(({ what }) => what !== 'announced').map(({ text, seq }) => `${text}:${seq}`)

t.test('each request is settled and then announced, in the order they came', async (t) => {
  const { log, seen, add } = setup()
  for (const text of texts(1, 5)) add(text)
  t.same(seen, [], 'not before the commit')
  await log.drained()
  const expected = texts(1, 5).flatMap((text) => [
    { text, what: 'appended', seq: Number(text) },
    { text, what: 'announced', seq: Number(text) },
  ])
  t.same(seen, expected)
})

t.test('requests of one turn are one batch, of batchMax at most, one in flight', async (t) => {
  const { log, store, seen, add } = setup({ batchMax: 4 })
  for (const text of texts(1, 10)) add(text)
  await log.drained()
  t.same(
    store.batches.map((batch) => batch.length),
    [4, 4, 2],
  )
  t.equal(store.inFlight.most, 1)
  t.same(
    settledIn(seen),
    texts(1, 10).map((text) => `${text}:${text}`),
  )
})

t.test('what comes while a batch is committed waits for the next', async (t) => {
  const { log, store, seen, add } = setup()
  store.hold()
  add('1')
  await until('a commit', () => store.batches.length === 1)
  add('2')
  add('3')
  t.same([store.batches, seen], [[['1']], []])
  store.release()
  await log.drained()
  t.same(store.batches, [['1'], ['2', '3']])
})

t.test('a duplicate is answered with the stored position and not announced again', async (t) => {
  const { log, seen, add } = setup()
  add('1', { messageId: 'm' })
  await log.drained()
  add('1', { messageId: 'm' })
  add('2', { messageId: 'm', from: 'bob' })
  await log.drained()
  t.same(seen.slice(2), [
    { text: '1', what: 'duplicate', seq: 1 },
    { text: '2', what: 'appended', seq: 2 },
    { text: '2', what: 'announced', seq: 2 },
  ])
})

t.test('there is no room above queueMax, nor above queueBytesMax', async (t) => {
  for (const options of [{ queueMax: 3 }, { queueBytesMax: 3 * 200 + 2 }]) {
    const { log, store, add } = setup({ ...options, batchMax: 2 })
    store.hold()
    for (const text of texts(1, 2)) add(text)
    t.equal(log.hasRoom(), true)
    add('3')
    t.equal(log.hasRoom(), false, JSON.stringify(options))
    let calls = 0
    const callback = () => calls++
    log.onRoom(callback)
    log.onRoom(callback)
    t.equal(calls, 0)
    store.release()
    await log.drained()
    t.equal(calls, 1, 'called once, though asked twice')
    log.onRoom(callback)
    t.equal(calls, 2, 'and at once when there is room')
  }
})

t.test('bytes of the batch in flight count until it is stored', async (t) => {
  const { log, store, add } = setup({ queueBytesMax: 1000 })
  store.hold()
  add('x'.repeat(2000))
  await until('a commit', () => store.batches.length === 1)
  t.equal(log.hasRoom(), false)
  store.release()
  await log.drained()
  t.equal(log.hasRoom(), true)
})

t.test('the content of a request counts by its bytes', async (t) => {
  const { log, store, add } = setup({ queueBytesMax: 1000 })
  store.hold()
  add('日'.repeat(300))
  t.equal(log.hasRoom(), false, '900 bytes and the objects around them')
  store.release()
  await log.drained()
})

t.test('as many are called back as there is room for', async (t) => {
  const { log, store, add } = setup({ queueMax: 2 })
  store.hold()
  for (const text of ['1', '2']) add(text)
  let overfull = 0
  for (const text of texts(3, 20)) {
    const publish = () => {
      if (!log.hasRoom()) overfull++
      add(text)
    }
    log.onRoom(publish)
  }
  store.release()
  await until('all are stored', () => store.batches.flat().length === 20)
  t.equal(overfull, 0, 'nobody was told of room that was taken again')
})

t.test('a failure is tried again until it works, and settles once', async (t) => {
  const { log, store, seen, lines, add } = setup({ waitMs: 60_000 })
  store.failNext(2)
  add('1')
  await until(
    'it fails',
    () => store.batches.length === 1 && log.persistence.failure() !== undefined,
  )
  t.equal(log.persistence.failure(), 'database is locked')
  t.same(seen, [])
  add('2')
  await log.drained()
  t.equal(log.persistence.failure(), undefined)
  t.same(store.batches, [['1'], ['1'], ['1'], ['2']])
  t.same(settledIn(seen), ['1:1', '2:2'])
  t.same(lines, ['error: the store fails; publishes wait', 'info: the store works again'])
})

t.test('a request that waited for waitMs fails, and the next one may succeed', async (t) => {
  const it = setup({ waitMs: 1000 })
  it.store.failNext(1)
  it.store.onAppend = () => {
    it.now += 1500
  }
  it.add('1')
  await it.log.drained()
  t.same(it.seen, [{ text: '1', what: 'failed', seq: undefined }])
  t.equal(it.log.persistence.failure(), 'database is locked')
  it.add('2')
  await it.log.drained()
  t.same(settledIn(it.seen.slice(1)), ['2:1'])
  t.equal(it.log.persistence.failure(), undefined)
})

t.test('no request waits much longer than waitMs, however many are before it', async (t) => {
  const it = setup({ waitMs: 1000, batchMax: 1 })
  const began = it.now
  it.store.failNext(1000)
  // Time passes with each try: 400 ms.
  it.store.onAppend = () => {
    it.now += 400
  }
  const failedAfter: number[] = []
  for (const text of texts(1, 8)) {
    const settled = () => void failedAfter.push(it.now - began)
    it.log.append({ ...request(it.seen, text), settled })
  }
  await it.log.drained()
  t.equal(failedAfter.length, 8)
  // The first gives up at its third try; the others are too old by then and have one each.
  t.ok(it.store.batches.length <= 3 + 7, `${it.store.batches.length} tries`)
})

t.test('a store that does not answer lets no request wait for ever', async (t) => {
  const { log, store, seen, add } = setup({ waitMs: 200 })
  store.hold()
  add('1')
  await until('a commit', () => store.batches.length === 1)
  add('2')
  await until('they are given up', () => seen.length > 1, 4000).catch(() => {})
  t.same(seen, [
    { text: '1', what: 'failed', seq: undefined },
    { text: '2', what: 'failed', seq: undefined },
  ])
  t.not(log.persistence.failure(), undefined, 'and readiness says so')
  store.release()
  await log.drained()
  t.same(
    seen.slice(2),
    [{ text: '1', what: 'announced', seq: 1 }],
    'what was stored after all is heard, and nobody is answered twice',
  )
  t.equal(log.hasRoom(), true)
  add('3')
  await log.drained()
  t.same(settledIn(seen).at(-1), '3:2')
})

t.test('other work waits for a failing store as a message does', async (t) => {
  const it = setup({ waitMs: 1000 })
  let tries = 0
  const failing = (times: number) => async () => {
    it.now += 400
    if (++tries <= times) throw new StoreFailure('disk full')
    return 'done'
  }
  t.equal(await it.log.attempt(failing(2)), 'done')
  t.equal(it.log.persistence.failure(), undefined)
  tries = 0
  await t.rejects(it.log.attempt(failing(99)), { name: 'StoreFailure', message: 'disk full' })
  t.equal(tries, 3, 'until the wait is over')
  t.equal(it.log.persistence.failure(), 'disk full')
  tries = 0
  const bug = async () => {
    tries++
    throw new TypeError('a bug')
  }
  await t.rejects(it.log.attempt(bug), { name: 'TypeError' })
  t.same([tries, it.log.persistence.busy()], [1, false], 'a bug is not tried again')
})

t.test('an entry that breaks the store fails alone', async (t) => {
  const { log, store, seen, lines, add } = setup()
  store.poison('3')
  for (const text of texts(1, 5)) add(text)
  await log.drained()
  t.same(settledIn(seen), ['1:1', '2:2', '3:undefined', '4:3', '5:4'])
  t.equal(log.persistence.failure(), undefined, 'a bug is not an outage')
  t.equal(lines.filter((line) => line.startsWith('error')).length, 2)
  add('6')
  await log.drained()
  t.same(settledIn(seen).at(-1), '6:5')
})

t.test('drained resolves at once when nothing waits, else after the last is settled', async (t) => {
  const { log, store, seen, add } = setup({ batchMax: 1 })
  await log.drained()
  store.hold()
  for (const text of texts(1, 3)) add(text)
  const counts = Promise.all([log.drained(), log.drained()]).then(() => settledIn(seen).length)
  store.release()
  t.equal(await counts, 3)
})

t.test('that the store works can be told from outside', async (t) => {
  const it = setup({ waitMs: 0 })
  it.store.failNext(1)
  it.add('1')
  await it.log.drained()
  t.not(it.log.persistence.failure(), undefined)
  it.now += 5
  it.log.persistence.worked()
  t.equal(it.log.persistence.failure(), undefined)
  it.log.persistence.worked()
  t.equal(it.lines.filter((line) => line.includes('works again')).length, 1)
})

t.test('reads go to the store as they are', async (t) => {
  const store = makeScriptedStore()
  const asked: unknown[] = []
  store.read = async (...args) => {
    asked.push(args)
    return []
  }
  const parts = { store, clock: () => 0, logger: makeNotebook(), announce: () => {} }
  const log = makeLog(parts, { queueMax: 1, queueBytesMax: 1, batchMax: 1, gatherMs: 0, waitMs: 1 })
  t.same(await log.read('g:a', { after: 3, limit: 2 }), [])
  t.same(asked, [['g:a', { after: 3, limit: 2 }]])
})

t.test('what a sender queued behind a message that failed is not stored before it', async (t) => {
  const it = setup({ waitMs: 1000, batchMax: 1 })
  it.store.failNext(1)
  it.store.onAppend = () => {
    it.now += 600
  }
  let hasFailed = false
  const queue = (text: string, sender: { readonly isAbandoned: () => boolean }) => {
    const plain = request(it.seen, text)
    const settled: typeof plain.settled = (result) => {
      if (text === '1') hasFailed = true
      plain.settled(result)
    }
    it.log.append({ ...plain, ...sender, settled })
  }
  const alice = { isAbandoned: () => hasFailed }
  it.now += 500
  queue('1', alice)
  // It is too old at the first failure; the one behind it is not, and would have been tried again.
  it.now += 500
  queue('2', alice)
  queue('of another', { isAbandoned: () => false })
  await it.log.drained()
  t.same(settledIn(it.seen), ['1:undefined', '2:undefined', 'of another:1'])
})

t.test('other work that the store never answers fails, and blocks nothing behind it', async (t) => {
  const it = setup({ waitMs: 20 })
  let answer = (_: string) => {}
  const raised: string[][] = []
  const raise = async (marks: readonly MarkUpdate[]) => {
    raised.push(marks.map(({ user }) => user))
    if (raised.length === 1) await new Promise<string>((resolve) => (answer = resolve))
  }
  const save = makeSaveRead({ raise }, it.log.attempt)
  const mark = { conversation: 'g:town', joinedSeq: 0, delivered: 1, read: 1 }
  const hung = save({ ...mark, user: 'alice' })
  await until('it is asked', () => raised.length === 1)
  const behind = save({ ...mark, user: 'bob' })
  it.now += 20
  await t.rejects(hung, { name: 'StoreFailure', message: 'the store does not answer' })
  await behind
  t.same(raised, [['alice'], ['bob']], 'asked once, and then the next')
  t.equal(it.log.persistence.failure(), undefined, 'it works again')
  answer('too late')
  await new Promise(setImmediate)
  t.equal(it.log.persistence.busy(), false)
})
