// The contract of LogStore (services/log/ports.ts), for every engine.

import fc from 'fast-check'
import type { Test } from 'tap'
import type { Entry, NewEntry } from '../../protocol/entry.ts'
import { isVoid } from '../../protocol/entry.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { NewMessage } from '../../services/log/ports.ts'
import type { Engine, MakeEngine } from './engine.ts'
import { fill, text, town, withGroup } from './engine.ts'

/** Tests every sentence of the port's documentation. */
export async function testLogStore(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('LogStore.append', (t) => testAppend(t, makeEngine))
  await t.test('LogStore.append of what was stored before', (t) => testDuplicates(t, makeEngine))
  await t.test('LogStore.read', (t) => testRead(t, makeEngine))
  await t.test('LogStore with bursts', (t) => testBursts(t, makeEngine))
  await t.test('LogStore.heads says how far each conversation reaches', async (t) => {
    const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
    const direct = await engine.conversations.ensureDirect('alice', 'bob')
    await fill(engine, 3)
    const asked = ['g:nowhere', town, direct?.id ?? '', town]
    t.strictSame(await engine.log.heads(asked), [0, 3, 0, 3])
    t.strictSame(await engine.log.heads([]), [])
  })
  await t.test('LogStore under random load', (t) => testRandom(t, makeEngine))
}

const all = { limit: 10_000 }
/** Marked as a broker marks what is sent again. A cluster looks for such entries first, and needs
 * no voids for them. */
const again = (batch: readonly NewEntry[]): readonly NewMessage[] =>
  batch.map((entry) => ({ ...entry, mayBeStored: true }))
const seqs = (entries: readonly Entry[]): number[] => entries.map(({ seq }) => seq)

async function testAppend(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('numbers the entries of each conversation 1, 2, 3, … in their order', async (t) => {
    const { log, conversations } = await withGroup(await makeEngine(t), 'alice', 'bob')
    const direct = await conversations.ensureDirect('alice', 'bob')
    const other = { conversation: direct?.id ?? '' }
    const first = await log.append(
      [text('alice', '1'), text('bob', '2', other), text('bob'), text('alice', '3', other)],
      1000,
    )
    t.strictSame(
      first,
      [1, 1, 2, 2].map((seq) => ({ kind: 'appended', seq, at: 1000 })),
    )
    t.strictSame(await log.append([text('bob', '4')], 900), [{ kind: 'appended', seq: 3, at: 900 }])
    t.strictSame(seqs(await log.read(town, all)), [1, 2, 3])
    t.strictSame(seqs(await log.read(other.conversation, all)), [1, 2])
  })

  await t.test('gives back exactly what was stored', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    const body = { kind: 'void-like.Kind_1', messageId: 'ü🜚 1', fields: '' }
    const batch: NewEntry[] = [{ conversation: town, from: 'alice', body }, text('alice')]
    await log.append(batch, 1_795_364_606_054)
    t.strictSame(
      await log.read(town, all),
      batch.map((entry, index) => ({ ...entry, seq: index + 1, at: 1_795_364_606_054 })),
    )
  })

  await t.test('takes entries that carry more than an entry does', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    const request = { ...text('alice', '1'), settled: () => undefined }
    t.match(await log.append([request], 1), [{ kind: 'appended', seq: 1 }])
    t.strictSame(await log.read(town, all), [{ ...text('alice', '1'), seq: 1, at: 1 }])
  })

  await t.test('takes an empty batch', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    t.strictSame(await log.append([], 1), [])
  })

  for (const [what, entry] of [
    ['conversation', text('alice', undefined, { conversation: 'g:nowhere' })],
    ['sender', text('nobody')],
  ] as const) {
    await t.test(`stores nothing of a batch with an unknown ${what}, and goes on`, async (t) => {
      const { log, isPerEntry } = await withGroup(await makeEngine(t), 'alice')
      if (isPerEntry) return void t.pass('is not promised in a cluster')
      await log.append([text('alice', '0')], 1)
      const failed = log.append([text('alice', '1'), entry, text('alice', '2')], 2)
      const error = await failed.then(
        () => undefined,
        (error: unknown) => error,
      )
      t.ok(error instanceof Error, 'rejects')
      t.notOk(error instanceof StoreFailure, 'with a bug, not with a failure that may pass')
      t.strictSame(seqs(await log.read(town, all)), [1])
      t.match(await log.append([text('alice', '1')], 3), [{ kind: 'appended', seq: 2, at: 3 }])
    })
  }

  await t.test('keeps the order of concurrent calls', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    const calls = Array.from({ length: 50 }, (_, n) => log.append([text('alice', `m${n}`)], n))
    const outcomes = (await Promise.all(calls)).flat()
    t.strictSame(
      outcomes.map(({ seq }) => seq),
      Array.from({ length: 50 }, (_, n) => n + 1),
    )
    const stored = await log.read(town, all)
    t.strictSame(
      stored.map(({ body }) => body.messageId),
      Array.from({ length: 50 }, (_, n) => `m${n}`),
    )
  })
}

async function testDuplicates(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('answers with the entry that is there, and stores nothing', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    await log.append([text('alice', 'a'), text('alice', 'b')], 1)
    const mixed = again([text('alice', 'c'), text('alice', 'a'), text('alice')])
    t.strictSame(await log.append(mixed, 2), [
      { kind: 'appended', seq: 3, at: 2 },
      { kind: 'duplicate', seq: 1, at: 1 },
      { kind: 'appended', seq: 4, at: 2 },
    ])
    t.strictSame(seqs(await log.read(town, all)), [1, 2, 3, 4])
  })

  await t.test('finds a duplicate within the batch, whatever its content', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    const changed = { kind: 'text', messageId: 'a', fields: '"text":"changed"' }
    const batch = [text('alice', 'a'), text('alice', 'a', { body: changed }), text('alice', 'b')]
    t.strictSame(await log.append(batch, 5), [
      { kind: 'appended', seq: 1, at: 5 },
      { kind: 'duplicate', seq: 1, at: 5 },
      { kind: 'appended', seq: 2, at: 5 },
    ])
    t.equal((await log.read(town, all))[0]?.body.fields, text('alice', 'a').body.fields)
  })

  await t.test('is by conversation, sender and message id together', async (t) => {
    const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
    const direct = await engine.conversations.ensureDirect('alice', 'bob')
    const elsewhere = text('alice', 'same', { conversation: direct?.id ?? '' })
    const batch = [text('alice', 'same'), text('bob', 'same'), elsewhere, text('alice', 'SAME')]
    const outcomes = await engine.log.append(batch, 1)
    t.strictSame(
      outcomes.map(({ kind }) => kind),
      batch.map(() => 'appended'),
    )
  })

  await t.test('does not take two messages without an id for the same', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    await log.append([text('alice'), text('alice')], 1)
    t.match(await log.append([text('alice')], 1), [{ kind: 'appended', seq: 3 }])
  })

  await t.test('stores one of many concurrent retransmissions', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    const calls = Array.from({ length: 20 }, () => log.append([text('alice', 'one')], 1))
    const outcomes = (await Promise.all(calls)).flat()
    t.equal(outcomes.filter(({ kind }) => kind === 'appended').length, 1)
    t.ok(outcomes.every(({ seq }) => seq === 1))
  })
}

async function testRead(t: Test, makeEngine: MakeEngine): Promise<void> {
  const filled = async (t: Test, count: number, bytes?: number): Promise<Engine> => {
    const engine = await withGroup(await makeEngine(t), 'alice')
    await fill(engine, count, bytes)
    return engine
  }

  await t.test('gives the entries between after and before, both left out', async (t) => {
    const { log } = await filled(t, 10)
    t.strictSame(seqs(await log.read(town, { after: 3, before: 7, limit: 100 })), [4, 5, 6])
    t.strictSame(seqs(await log.read(town, { after: 8, limit: 100 })), [9, 10])
    t.strictSame(seqs(await log.read(town, { before: 3, limit: 100 })), [1, 2])
    t.strictSame(seqs(await log.read(town, { after: 4, before: 5, limit: 100 })), [])
    t.strictSame(seqs(await log.read(town, { after: 10, limit: 100 })), [])
  })

  await t.test('gives the oldest first, or the newest first, at most `limit`', async (t) => {
    const { log } = await filled(t, 10)
    t.strictSame(seqs(await log.read(town, { limit: 3 })), [1, 2, 3])
    t.strictSame(seqs(await log.read(town, { limit: 3, newestFirst: true })), [10, 9, 8])
    const range = { after: 2, before: 9, newestFirst: true }
    t.strictSame(seqs(await log.read(town, { ...range, limit: 2 })), [8, 7])
    t.strictSame(seqs(await log.read(town, { ...range, limit: 100 })), [8, 7, 6, 5, 4, 3])
  })

  await t.test('stops before the entry that would go above bytesMax', async (t) => {
    const { log } = await filled(t, 200, 20)
    const count = async (bytesMax: number, limit = 1000): Promise<number> =>
      (await log.read(town, { limit, bytesMax })).length
    t.equal(await count(100), 5, 'exactly at the bound')
    t.equal(await count(99), 4)
    t.equal(await count(1), 1, 'at least one')
    t.equal(await count(20 * 150 + 19), 150, 'many')
    t.equal(await count(1_000_000), 200, 'more than there is')
    t.equal(await count(1_000_000, 130), 130, 'and not above the limit')
    const newest = await log.read(town, { limit: 1000, bytesMax: 20 * 130, newestFirst: true })
    t.strictSame(
      seqs(newest),
      Array.from({ length: 130 }, (_, n) => 200 - n),
    )
  })

  await t.test('counts bytes, not characters', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    const body = { kind: 'text', messageId: undefined, fields: '"text":"üü"' }
    await log.append([text('alice', undefined, { body }), text('alice', undefined, { body })], 1)
    t.equal((await log.read(town, { limit: 10, bytesMax: 26 })).length, 2)
    t.equal((await log.read(town, { limit: 10, bytesMax: 25 })).length, 1)
  })

  await t.test('gives nothing of a conversation that has none, or is none', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    t.strictSame(await log.read(town, { limit: 10, bytesMax: 10 }), [])
    t.strictSame(await log.read('g:nowhere', { limit: 10 }), [])
  })

  await t.test('sees every append that resolved', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    for (let seq = 1; seq <= 20; seq++) {
      await log.append([text('alice')], 1)
      t.equal((await log.read(town, { limit: 1, newestFirst: true }))[0]?.seq, seq)
    }
  })
}

/** An engine may store what comes at once from one sender otherwise than what comes by itself. */
async function testBursts(t: Test, makeEngine: MakeEngine): Promise<void> {
  const burst = (first: number, count: number, from = 'alice'): readonly NewEntry[] =>
    Array.from({ length: count }, (_, n) => text(from, `m${first + n}`))
  const appended = (first: number, count: number, at: number) =>
    Array.from({ length: count }, (_, n) => ({ kind: 'appended', seq: first + n, at }))

  await t.test('gives back any part of a burst', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice', 'bob')
    const batch = [...burst(1, 150), text('bob', 'm1'), ...burst(151, 5), text('bob')]
    t.strictSame(await log.append(batch, 7), appended(1, 157, 7))
    t.strictSame(
      await log.read(town, all),
      batch.map((entry, index) => ({ ...entry, seq: index + 1, at: 7 })),
    )
    for (const [after, before] of [
      [0, 2],
      [63, 66],
      [10, 20],
      [149, 153],
      [155, 158],
      [5, 156],
    ] as const) {
      const oldest = await log.read(town, { after, before, limit: 1000 })
      const wanted = Array.from({ length: before - after - 1 }, (_, n) => after + 1 + n)
      t.strictSame(seqs(oldest), wanted, `${after} … ${before}`)
      const newest = await log.read(town, { after, before, limit: 1000, newestFirst: true })
      t.strictSame(seqs(newest), wanted.toReversed(), `${before} … ${after}`)
    }
    t.strictSame(seqs(await log.read(town, { after: 20, limit: 2 })), [21, 22])
    for (const newestFirst of [false, true]) {
      const nothing = { after: 8, before: 6, limit: 1, newestFirst }
      t.strictSame(await log.read(town, nothing), [], 'nor anything where nothing can be')
      t.strictSame(await log.read(town, { ...nothing, before: 9 }), [])
    }
    t.strictSame(seqs(await log.read(town, { before: 20, limit: 2, newestFirst: true })), [19, 18])
  })

  await t.test('knows each message of a burst again, by itself and within others', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice', 'bob')
    await log.append([text('alice', 'm2')], 1)
    await log.append(burst(10, 5), 2)
    t.strictSame(await log.append(again([text('alice', 'm12')]), 3), [
      { kind: 'duplicate', seq: 4, at: 2 },
    ])
    const mixed = [...burst(1, 3), ...burst(13, 3), ...burst(13, 1, 'bob')]
    t.strictSame(await log.append(again(mixed), 4), [
      { kind: 'appended', seq: 7, at: 4 },
      { kind: 'duplicate', seq: 1, at: 1 },
      { kind: 'appended', seq: 8, at: 4 },
      { kind: 'duplicate', seq: 5, at: 2 },
      { kind: 'duplicate', seq: 6, at: 2 },
      { kind: 'appended', seq: 9, at: 4 },
      { kind: 'appended', seq: 10, at: 4 },
    ])
    const twice = [...burst(20, 3), ...burst(20, 3)]
    const outcomes = await log.append(twice, 5)
    t.strictSame(
      outcomes.map(({ kind, seq }) => `${kind} ${seq}`),
      [11, 12, 13]
        .map((seq) => `appended ${seq}`)
        .concat([11, 12, 13].map((seq) => `duplicate ${seq}`)),
    )
    t.strictSame(await log.append(burst(30, 4), 6), appended(14, 4, 6))
    t.equal((await log.read(town, all)).length, 17)
  })
}

async function testRandom(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('1000 entries of any Unicode come back as they were', async (t) => {
    const { log } = await withGroup(await makeEngine(t), 'alice')
    const strings = fc.sample(fc.string({ unit: 'binary', maxLength: 60 }), 1000)
    const batch = strings.map((string, n) => {
      const fields = `"text":${JSON.stringify(string)}`
      return text('alice', undefined, { body: { kind: 'text', messageId: `${n}`, fields } })
    })
    await log.append(batch.slice(0, 400), 1)
    await log.append(batch.slice(400), 1)
    const stored = await log.read(town, { limit: 1000 })
    t.strictSame(
      stored.map(({ body }) => body),
      batch.map(({ body }) => body),
    )
  })

  await t.test('any interleaving of appends and retransmissions stays without holes', async (t) => {
    const engine = await makeEngine(t)
    for (const user of ['alice', 'bob']) await engine.users.createUser(user, undefined)
    let groups = 0
    const entry = fc.record({
      room: fc.nat(2),
      from: fc.constantFrom('alice', 'bob'),
      id: fc.option(fc.nat(12), { nil: undefined }),
    })
    const batches = fc.array(fc.array(entry, { maxLength: 8 }), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(batches, async (plan) => {
        const run = ++groups
        for (let room = 0; room < 3; room++) {
          const group = { group: `r${run}-${room}`, title: '', owner: 'alice', members: ['bob'] }
          await engine.conversations.createGroup(group)
        }
        const conversation = (room: number): string => `g:r${run}-${room}`
        const calls = plan.map(async (batch) => {
          const entries = batch.map(({ room, from, id }) =>
            text(from, id === undefined ? undefined : `${id}`, {
              conversation: conversation(room),
            }),
          )
          return { entries, outcomes: await engine.log.append(entries, run) }
        })
        await checkHistory(engine, await Promise.all(calls), [0, 1, 2].map(conversation))
      }),
      { numRuns: 40 },
    )
    t.ok(groups >= 40, 'every run held')
  })
}

interface Call {
  readonly entries: readonly NewEntry[]
  readonly outcomes: Awaited<ReturnType<Engine['log']['append']>>
}

/** Throws when seqs have holes, an identity is stored twice, or an outcome names another entry. */
async function checkHistory(
  { log, isPerEntry = false }: Engine,
  calls: readonly Call[],
  conversations: readonly string[],
): Promise<void> {
  const stored = new Map<string, Entry>()
  let total = 0
  for (const conversation of conversations) {
    const entries = await log.read(conversation, all)
    const voids = entries.filter(isVoid)
    if (voids.length > 0 && !isPerEntry) throw new Error('a void')
    total += entries.length - voids.length
    for (const [index, entry] of entries.entries()) {
      if (entry.seq !== index + 1) throw new Error(`seq ${entry.seq} at place ${index}`)
      stored.set(`${conversation} ${entry.seq}`, entry)
    }
    const named = entries.filter(({ body }) => body.messageId !== undefined)
    const identities = new Set(named.map(({ from, body }) => `${from} ${body.messageId}`))
    if (identities.size !== named.length) throw new Error('an identity was stored twice')
  }
  let appended = 0
  for (const { entries, outcomes } of calls) {
    if (outcomes.length !== entries.length) throw new Error('an entry was not answered')
    for (const [index, { conversation, from, body }] of entries.entries()) {
      const outcome = outcomes[index]
      const found = stored.get(`${conversation} ${outcome?.seq}`)
      if (found?.from !== from || found.body.messageId !== body.messageId) {
        throw new Error('an outcome names another entry')
      }
      if (outcome?.kind === 'appended') appended++
    }
  }
  if (appended !== total) throw new Error(`${appended} answered as appended, ${total} stored`)
}
