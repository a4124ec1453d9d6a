// Connections of one device whose CONNECTs are looked at for longer or shorter.

import t from 'tap'
import { makeArrivals } from '../../broker/arrivals.ts'
import { noGrants } from '../../protocol/grants.ts'
import { until } from '../support/until.ts'
import {
  connectPacket,
  connectRaw,
  makeBenchBroker,
  openRaw,
  publish,
} from './support/bench-broker.ts'

/** Identifies whom a test lets in: `ann-2` is the second connection of ann. */
function makeIdentifier() {
  const waiting = new Map<string, () => void>()
  const identityOf = (token: string) => {
    const user = token.split('-')[0] as string
    return { user, expiresAt: Number.POSITIVE_INFINITY, topics: noGrants }
  }
  return {
    identify: async (token: string) => {
      if (token.includes('-')) {
        await new Promise<void>((resolve) => waiting.set(token, resolve))
      }
      return identityOf(token)
    },
    asked: (token: string) => until(`${token} is asked about`, () => waiting.has(token)),
    letIn: (token: string) => waiting.get(token)?.(),
  }
}

const tokenOf = (token: string) =>
  connectPacket('ann', { password: Buffer.from(token), clean: false })

t.test(
  'the connection whose CONNECT came later stays, however long each is looked at',
  async (t) => {
    const identifier = makeIdentifier()
    const { world, port, stored } = await makeBenchBroker(t, {}, identifier)
    world.memory.group('town', 'ann')
    const older = await openRaw(t, port)
    older.send(tokenOf('ann-1'), publish('g/town/msg', 'stale', 1))
    await identifier.asked('ann-1')
    const newer = await connectRaw(t, port, 'ann', { clean: false })
    identifier.letIn('ann-1')
    await until('the older one is closed', older.isClosed)
    t.same(older.packets, [], 'without an answer')
    newer.send(publish('g/town/msg', 'fresh', 1))
    await newer.got('puback')
    t.same(stored, ['fresh'])
    t.notOk(newer.isClosed())
  },
)

t.test('nor does it come back when the later one has gone', async (t) => {
  const identifier = makeIdentifier()
  const { world, port, stored } = await makeBenchBroker(t, {}, identifier)
  world.memory.group('town', 'ann')
  const older = await openRaw(t, port)
  older.send(tokenOf('ann-1'), publish('g/town/msg', 'stale', 1))
  await identifier.asked('ann-1')
  const newer = await connectRaw(t, port, 'ann', { clean: false })
  newer.send({ cmd: 'disconnect' })
  await until('the later one has gone', newer.isClosed)
  identifier.letIn('ann-1')
  await until('the older one is closed', older.isClosed)
  t.same([older.packets, stored], [[], []])
})

t.test('devices of other users with the same client id come as they can', async (t) => {
  const identifier = makeIdentifier()
  const { port } = await makeBenchBroker(t, {}, identifier)
  const ann = await openRaw(t, port)
  ann.send(tokenOf('ann-1'))
  await identifier.asked('ann-1')
  await connectRaw(t, port, 'bob')
  identifier.letIn('ann-1')
  t.match(await ann.got('connack'), [{ returnCode: 0 }])
})

t.test('a device is remembered as long as somebody who came before it is looked at', async (t) => {
  const arrivals = makeArrivals(2)
  const come = (user: string, identified: Promise<void>) =>
    arrivals.identify('phone', async () => {
      await identified
      return { user }
    })
  let letIn = () => {}
  const slow = new Promise<void>((resolve) => {
    letIn = resolve
  })
  const first = come('ann', slow)
  const found = []
  for (const user of ['ann', 'bob', 'bob', 'ann']) found.push(await come(user, Promise.resolve()))
  t.same(
    found,
    ['ann', 'bob', 'bob', 'ann'].map((user) => ({ user })),
  )
  t.equal(arrivals.remembered(), 2)
  await come('cid', Promise.resolve())
  t.equal(arrivals.remembered(), 2, 'and no more than there may be')
  const refused = arrivals.identify('phone', () => Promise.reject(new Error('who is that?')))
  await t.rejects(refused, /who is that/)
  letIn()
  t.equal(await first, undefined)
  t.equal(arrivals.remembered(), 0)
})
