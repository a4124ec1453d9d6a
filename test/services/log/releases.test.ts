// Releases of packet ids: in groups, in order, and answered only when they are durable.

import t from 'tap'
import { StoreFailure } from '../../../protocol/failure.ts'
import type { ReleasedPacket } from '../../../services/log/ports.ts'
import { makeReleases, type Releases } from '../../../services/log/releases.ts'
import { until } from '../../support/until.ts'
import { makeNotebook } from './support/scripted-store.ts'

interface Setup {
  readonly releases: Releases
  readonly lines: string[]
  /** The packet ids of each write, in order. */
  readonly groups: number[][]
  /** What was answered, in order. */
  readonly settled: string[]
  add(packetId: number): void
  /** Ends the oldest write that waits. */
  end(error?: Error): void
}

function setup(): Setup {
  const { lines, ...logger } = makeNotebook()
  const groups: number[][] = []
  const settled: string[] = []
  const ends: ((error?: Error) => void)[] = []
  const releasePackets = (packets: readonly ReleasedPacket[]) => {
    groups.push(packets.map(({ packetId }) => packetId))
    return new Promise<void>((resolve, reject) => {
      ends.push((error) => (error === undefined ? resolve() : reject(error)))
    })
  }
  const releases = makeReleases({
    store: { releasePackets, unreleasedPackets: async () => [] },
    attempt: (work) => work(),
    logger,
  })
  return {
    releases,
    lines,
    groups,
    settled,
    add(packetId) {
      releases.add({
        user: 'alice',
        device: 'phone',
        packetId,
        settled: (isDurable) => void settled.push(`${packetId} ${isDurable}`),
      })
    },
    end: (error) => ends.shift()?.(error),
  }
}

t.test('one group is written at a time, and the next gathers meanwhile', async (t) => {
  const { releases, groups, settled, add, end } = setup()
  for (const id of [1, 2, 3]) add(id)
  await until('the first write', () => groups.length === 1)
  for (const id of [4, 5]) add(id)
  const drained = releases.drained()
  t.same(settled, [], 'nothing is answered before it is durable')
  end()
  await until('the second write', () => groups.length === 2)
  t.same(settled, ['1 true', '2 true', '3 true'])
  end()
  await drained
  t.same(groups, [
    [1, 2, 3],
    [4, 5],
  ])
  t.same(settled.slice(3), ['4 true', '5 true'])
})

t.test('a group is at most a thousand', async (t) => {
  const { releases, groups, add, end } = setup()
  for (let id = 1; id <= 1500; id++) add(id)
  await until('the first write', () => groups.length === 1)
  end()
  await until('the second write', () => groups.length === 2)
  end()
  await releases.drained()
  t.same(
    groups.map((group) => group.length),
    [1000, 500],
  )
})

t.test('a store that fails for too long fails the group, and the next is tried', async (t) => {
  const { releases, groups, lines, settled, add, end } = setup()
  add(1)
  await until('the write', () => groups.length === 1)
  add(2)
  end(new StoreFailure('the disk is full'))
  await until('the next write', () => groups.length === 2)
  end()
  await releases.drained()
  t.same(settled, ['1 false', '2 true'])
  t.same(lines, [], 'the log of the store tells of its failures')
})

t.test('a bug of the store is logged, and ends nothing', async (t) => {
  const { releases, groups, lines, settled, add, end } = setup()
  add(1)
  await until('the write', () => groups.length === 1)
  end(new TypeError('a bug'))
  await releases.drained()
  t.same(settled, ['1 false'])
  t.same(lines, ['error: cannot release packet ids'])
})
