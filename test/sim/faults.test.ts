// Faults planted in the world of the histories: each must be seen, or the histories prove nothing.

import t from 'tap'
import type { NewEntry } from '../../protocol/entry.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import { runHistory } from './history.ts'
import { digest } from './run.ts'
import type { Ports } from './store.ts'
import { themes } from './theme.ts'
import type { Plant } from './world.ts'

const historiesMax = 60

/** What the checker says of the first history that shows the fault. */
async function firstViolation(plant: Plant): Promise<string | undefined> {
  for (let seed = 1; seed <= historiesMax; seed++) {
    const { violations } = await runHistory({ seed, theme: themes.restarts, plant })
    if (violations.length > 0) return violations[0]
  }
  return undefined
}

interface Fault {
  readonly title: string
  readonly plant: Plant
  /** What the checker must say. */
  readonly seenAs: RegExp
}

const withStore = (change: (ports: Ports) => Partial<Ports>): Plant => ({
  store: (ports) => ({ ...ports, ...change(ports) }),
})

const faults: readonly Fault[] = [
  {
    title: 'a read that leaves out an entry, and closes the gap',
    plant: withStore(({ read }) => ({
      read: async (conversation, range) =>
        (await read(conversation, range))
          .filter(({ seq }) => seq !== 3)
          .map((it) => (it.seq > 3 ? { ...it, seq: it.seq - 1 } : it)),
    })),
    seenAs: /but the log holds/,
  },
  {
    title: 'a read that leaves a gap',
    plant: withStore(({ read }) => ({
      read: async (conversation, range) =>
        (await read(conversation, range)).filter(({ seq }) => seq !== 3),
    })),
    seenAs: /at the end, .* it waits for|is not answered/,
  },
  {
    title: 'two entries that are swapped',
    plant: withStore(({ read }) => ({
      read: async (conversation, range) => {
        const entries = await read(conversation, range)
        const [first, second] = entries
        if (first === undefined || second === undefined) return entries
        const swapped = [
          { ...second, seq: first.seq },
          { ...first, seq: second.seq },
        ]
        return [...swapped, ...entries.slice(2)]
      },
    })),
    seenAs: /but the log holds/,
  },
  {
    title: 'an append that loses an entry and says that it is there',
    plant: withStore(({ append }) => {
      const isLost = ({ body }: NewEntry) => /"m[0-9]*7"/.test(body.fields)
      return {
        append: async (batch, at) => {
          const outcomes = [
            ...(await append(
              batch.filter((it) => !isLost(it)),
              at,
            )),
          ]
          return batch.map((entry) =>
            isLost(entry) ? { kind: 'duplicate', seq: 1, at } : outcomes.shift(),
          ) as Awaited<ReturnType<Ports['append']>>
        },
      }
    }),
    seenAs: /is acknowledged, and not stored/,
  },
  {
    title: 'an append that turns its batch around',
    plant: withStore(({ append }) => ({
      append: async (batch, at) => (await append(batch.toReversed(), at)).toReversed(),
    })),
    seenAs: /is stored after a later one/,
  },
  {
    title: 'an append that does not recognise message ids',
    plant: withStore(({ append }) => ({
      append: (batch, at) =>
        append(
          batch.map((it) => ({ ...it, body: { ...it.body, messageId: undefined } })),
          at,
        ),
    })),
    seenAs: /is stored 2 times/,
  },
  {
    title: 'an append that does not recognise packet ids',
    plant: withStore(({ append }) => ({
      append: (batch, at) =>
        append(
          batch.map((it) => ({ ...it, packet: undefined })),
          at,
        ),
    })),
    seenAs: /is stored 2 times/,
  },
  {
    title: 'packet ids that are never released',
    plant: withStore(() => ({ releasePackets: async () => {} })),
    seenAs: /is acknowledged, and not stored/,
  },
  {
    title: 'an append that fails after it has committed',
    plant: withStore(({ append }) => {
      let count = 0
      return {
        append: async (batch, at) => {
          const outcomes = await append(batch, at)
          if (++count % 5 === 0) throw new StoreFailure('planted')
          return outcomes
        },
      }
    }),
    seenAs: /is stored 2 times|at the end/,
  },
  {
    title: 'cursors that skip ahead',
    plant: withStore(({ saveCursors }) => ({
      saveCursors: (updates) =>
        saveCursors(updates.map((it) => ({ ...it, acked: it.sent + 1, sent: it.sent + 1 }))),
    })),
    seenAs: /the cursor of .* is not acknowledged/,
  },
  {
    title: 'cursors that are forgotten',
    plant: withStore(() => ({ saveCursors: async () => {} })),
    seenAs: /is repeated/,
  },
  {
    title: 'cursors that are half remembered when a device comes back',
    plant: withStore(({ find }) => ({
      find: async (user, device) => {
        const found = await find(user, device)
        const cursors = found?.cursors.map((it) => ({ ...it, acked: Math.floor(it.acked / 2) }))
        return found && { ...found, cursors: cursors ?? [] }
      },
    })),
    seenAs: /is repeated/,
  },
  {
    title: 'cursors that are too high when a device comes back',
    plant: withStore(({ find }) => ({
      find: async (user, device) => {
        const found = await find(user, device)
        const cursors = found?.cursors.map((it) => ({
          ...it,
          acked: it.acked + 1,
          sent: it.sent + 1,
        }))
        return found && { ...found, cursors: cursors ?? [] }
      },
    })),
    seenAs: /is missing|it waits for|is not acknowledged/,
  },
  {
    title: 'devices that are forgotten',
    plant: withStore(() => ({ find: async () => undefined })),
    seenAs: /session present is 0/,
  },
  {
    title: 'users who stay members for ever',
    plant: withStore(({ membership, membershipsOf }) => {
      const once = new Map<string, Awaited<ReturnType<Ports['membershipsOf']>>>()
      return {
        membership: async (conversation, user) =>
          (await membership(conversation, user)) ??
          once.get(user)?.find((it) => it.conversation.id === conversation),
        membershipsOf: async (user) => {
          const now = await membershipsOf(user)
          const before = once.get(user) ?? []
          const isNew = (id: string) => !now.some((it) => it.conversation.id === id)
          const all = [...now, ...before.filter((it) => isNew(it.conversation.id))]
          once.set(user, all)
          return all
        },
      }
    }),
    seenAs: /is no member there/,
  },
  {
    title: 'a window that is twice as wide',
    plant: {
      options: (options) => ({
        ...options,
        engine: { ...options.engine, windowEntriesMax: options.engine.windowEntriesMax * 2 },
      }),
    },
    seenAs: /are unacknowledged/,
  },
  {
    title: 'unsent bytes without a bound',
    plant: {
      options: (options) => ({
        ...options,
        engine: { ...options.engine, windowBytesMax: 1_000_000 },
      }),
    },
    seenAs: /the server holds \d+ bytes/,
  },
  {
    title: 'batches without a bound',
    plant: {
      options: (options) => ({ ...options, log: { ...options.log, batchMax: 1000 } }),
    },
    seenAs: /a batch of/,
  },
]

for (const { title, plant, seenAs } of faults) {
  t.test(`the checker sees ${title}`, async (t) => {
    t.match(await firstViolation(plant), seenAs)
  })
}

t.test('the same seed gives the same history, another seed another one', async (t) => {
  const theme = themes.restarts
  const once = digest(await runHistory({ seed: 7, theme }))
  t.equal(digest(await runHistory({ seed: 7, theme })), once)
  t.not(digest(await runHistory({ seed: 8, theme })), once)
})
