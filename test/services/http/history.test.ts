// Paging through history: what a page holds, where it ends, and that a walk misses nothing.

import fc from 'fast-check'
import t from 'tap'
import { isProblem, startApi } from './setup.ts'

const path = '/v1/conversations/g:team/messages'

/** A group of bob with `joinedSeq` entries from before alice joined and `visible` after. */
async function start(t: Parameters<typeof startApi>[0], joinedSeq: number, visible: number) {
  const parts = await startApi(t)
  const { conversations, store, tokenOf, ask } = parts
  const say = async (count: number, text = 'hi') => {
    const body = { kind: 'text', messageId: undefined, fields: `"text":"${text}"` }
    await store.append(Array(count).fill({ conversation: 'g:team', from: 'bob', body }), 1)
  }
  await conversations.createGroup({ by: 'bob', group: 'team', members: [] })
  await say(joinedSeq)
  await conversations.addMember({ by: 'bob', group: 'team', user: 'alice' })
  await say(visible)
  const token = await tokenOf('alice')
  async function read(query: Record<string, number> = {}) {
    const search = new URLSearchParams(
      Object.entries(query).map(([name, value]) => [name, `${value}`] as [string, string]),
    )
    const { status, body } = await ask('GET', `${path}?${search}`, { token })
    t.equal(status, 200)
    const seqs = body.messages.map(({ seq }: { seq: number }) => seq) as number[]
    return { seqs, next: body.next as number | null, previous: body.previous as number | null }
  }
  return { ...parts, token, say, read }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)
}

t.test('the newest page comes first, 50 messages in order', async (t) => {
  const { read } = await start(t, 3, 120)
  t.strictSame(await read(), { seqs: range(74, 123), next: null, previous: 74 })
  t.strictSame(await read({ limit: 200 }), { seqs: range(4, 123), next: null, previous: null })
})

t.test('a void is not shown, and a page of voids leads on', async (t) => {
  const { store, say, read } = await start(t, 0, 2)
  const body = { kind: 'void', messageId: undefined, fields: '' }
  await store.append(Array(3).fill({ conversation: 'g:team', from: '', body }), 1)
  await say(1)
  t.strictSame(await read(), { seqs: [1, 2, 6], next: null, previous: null })
  t.strictSame(await read({ after: 2, limit: 2 }), { seqs: [], next: 4, previous: 3 })
  t.strictSame(await read({ after: 4, limit: 2 }), { seqs: [6], next: null, previous: 5 })
})

t.test('pages before and after a seq', async (t) => {
  const { read } = await start(t, 3, 20)
  t.strictSame(await read({ before: 10, limit: 3 }), { seqs: [7, 8, 9], next: 9, previous: 7 })
  t.strictSame(await read({ after: 10, limit: 3 }), { seqs: [11, 12, 13], next: 13, previous: 11 })
  t.strictSame(await read({ before: 6 }), { seqs: [4, 5], next: 5, previous: null })
  t.strictSame(await read({ after: 21 }), { seqs: [22, 23], next: null, previous: 22 })
  t.strictSame(await read({ after: 0, limit: 2 }), { seqs: [4, 5], next: 5, previous: null })
  t.strictSame(await read({ after: 23 }), { seqs: [], next: null, previous: null })
  t.strictSame(await read({ before: 4 }), { seqs: [], next: null, previous: null })
  t.strictSame(await read({ before: 1000, limit: 1 }), { seqs: [23], next: null, previous: 23 })
  const both = await read({ after: 5, before: 9, limit: 2 })
  t.strictSame(both, { seqs: [6, 7], next: 7, previous: null })
  t.strictSame(await read({ after: 7, before: 9 }), { seqs: [8], next: null, previous: null })
  t.strictSame(await read({ after: 9, before: 5 }), { seqs: [], next: null, previous: null })
})

t.test('an empty conversation has an empty page', async (t) => {
  const { read, say } = await start(t, 0, 0)
  t.strictSame(await read(), { seqs: [], next: null, previous: null })
  await say(1)
  t.strictSame(await read({ after: 0 }), { seqs: [1], next: null, previous: null })
})

t.test('what was said before one joined is not shown by any query', async (t) => {
  const { read } = await start(t, 10, 2)
  for (const query of [{}, { after: 0 }, { before: 11 }, { after: 3, before: 9 }, { before: 5 }]) {
    t.ok((await read({ ...query, limit: 200 })).seqs.every((seq) => seq > 10))
  }
})

t.test('who left reads nothing; who comes back reads from then on', async (t) => {
  const { read, ask, token, conversations, say } = await start(t, 0, 5)
  await conversations.removeMember({ by: 'alice', group: 'team', user: 'alice' })
  isProblem(t, await ask('GET', path, { token }), 404, 'not-found')
  await say(2)
  await conversations.addMember({ by: 'bob', group: 'team', user: 'alice' })
  await say(1)
  t.strictSame(await read(), { seqs: [8], next: null, previous: null })
})

t.test('a page of large messages is short, and the walk goes on', async (t) => {
  const { read, say } = await start(t, 0, 0)
  for (let i = 0; i < 40; i++) await say(1, 'x'.repeat(60_000))
  const newest = await read({ limit: 200 })
  t.ok(newest.seqs.length < 20, 'about a mebibyte')
  t.equal(newest.seqs.at(-1), 40)
  t.equal(newest.previous, newest.seqs[0])
  const oldest = await read({ limit: 200, after: 0 })
  t.equal(oldest.next, oldest.seqs.at(-1))
  t.ok(oldest.seqs.length < 20)
})

t.test('queries that are not whole numbers in range are refused', async (t) => {
  const { ask, token } = await start(t, 0, 3)
  for (const query of [
    'limit=0',
    'limit=201',
    'limit=-1',
    'limit=1.5',
    'limit=abc',
    'limit=',
    'limit=1e2',
    'limit=0x10',
    'limit=%2050',
    'limit=1&limit=2',
    'before=0',
    'before=-1',
    'before=99999999999999999999',
    'after=-1',
    'after=true',
    'after=null',
    'offset=3',
    'limit[]=3',
    '__proto__=3',
  ]) {
    const answer = await ask('GET', `${path}?${query}`, { token })
    isProblem(t, answer, 400, 'invalid-request')
    t.match(answer.body.errors, [{ in: 'querystring' }], query)
  }
  t.equal((await ask('GET', `${path}?before=999999999999999`, { token })).status, 200)
})

t.test('walking forwards or backwards yields every visible entry once, in order', async (t) => {
  const { read, say, conversations } = await start(t, 0, 0)
  let head = 0
  let joined = 0
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 12 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 1, max: 9 }),
      async (unseen, rejoins, seen, limit) => {
        // One conversation that grows, and that alice at times joins anew.
        await say(unseen)
        head += unseen
        if (rejoins) {
          await conversations.removeMember({ by: 'alice', group: 'team', user: 'alice' })
          await conversations.addMember({ by: 'bob', group: 'team', user: 'alice' })
          joined = head
        }
        await say(seen)
        head += seen
        const visible = range(joined + 1, head)

        const backwards: number[] = []
        let before: number | null | undefined
        do {
          const page = await read({ limit, ...(before ? { before } : {}) })
          if (page.seqs.length > limit) return false
          backwards.unshift(...page.seqs)
          before = page.previous
        } while (before !== null)

        const forwards: number[] = []
        let after: number | null = 0
        do {
          const page = await read({ limit, after })
          forwards.push(...page.seqs)
          after = page.next
        } while (after !== null)

        // Bounded on both sides: from the middle of what is visible, half as far.
        const from = joined + Math.floor(visible.length / 4)
        const to = head - Math.floor(visible.length / 4)
        const inside: number[] = []
        after = from
        do {
          const page = await read({ limit, after, before: to + 1 })
          inside.push(...page.seqs)
          after = page.next
        } while (after !== null)

        t.strictSame(backwards, visible)
        t.strictSame(forwards, visible)
        t.strictSame(inside, range(from + 1, to))
        return true
      },
    ),
    { numRuns: 15 },
  )
})

t.test('voids are not shown, and a walk goes right across them', async (t) => {
  const { read, say, store } = await start(t, 0, 2)
  const body = { kind: 'void', messageId: undefined, fields: '' }
  await store.append(Array(5).fill({ conversation: 'g:team', from: '', body }), 1)
  await store.append([{ conversation: 'g:team', from: 'bob', body }], 1)
  await say(1)
  t.strictSame((await read()).seqs, [1, 2, 8, 9], 'an app may have a kind of this name')
  t.strictSame(await read({ before: 8, limit: 3 }), { seqs: [], next: 7, previous: 5 })
  t.strictSame(await read({ before: 5, limit: 3 }), { seqs: [2], next: 4, previous: 2 })
  t.strictSame(await read({ after: 2, limit: 5 }), { seqs: [], next: 7, previous: 3 })
})

t.test('a page that ends at what is being written is not the last one', async (t) => {
  const readLog = async () => []
  const { conversations, store, tokenOf, ask } = await startApi(t, { readLog })
  const body = { kind: 'text', messageId: undefined, fields: '' }
  await conversations.createGroup({ by: 'bob', group: 'team', members: ['alice'] })
  await store.append(Array(5).fill({ conversation: 'g:team', from: 'bob', body }), 1)
  const token = await tokenOf('alice')
  const page = await ask('GET', `${path}?after=3`, { token })
  t.strictSame(page.body, { messages: [], next: 3, previous: null })
})
