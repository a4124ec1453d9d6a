// SUBSCRIBE and UNSUBSCRIBE: what is granted, from where a device hears, and what is stored of it.

import t from 'tap'
import { subscriptionsMax } from '../../../services/delivery/subscriptions.ts'
import { until } from '../../support/until.ts'
import { makeWorld, settle, type World } from './support/devices.ts'
import type { FakeLink } from './support/fake-link.ts'

async function grants(
  { engine }: World,
  link: FakeLink,
  ...requests: (string | [string, 0 | 1 | 2])[]
): Promise<readonly number[]> {
  if (link.session === undefined) throw new Error('not connected')
  const asked = requests.map((it) => (typeof it === 'string' ? ([it, 1] as const) : it))
  return engine.subscribe(
    link.session,
    asked.map(([filter, qos]) => ({ filter, qos })),
  )
}

t.test('own topics and groups one is in are granted, everything else is refused', async (t) => {
  const world = makeWorld(t)
  world.memory.group('town', 'bob')
  world.memory.group('city', 'eve')
  const { link } = await world.connect('bob/phone')
  const table: [string, number][] = [
    ['u/bob/#', 1],
    ['u/bob/msg', 1],
    ['u/bob/error', 1],
    ['g/+/#', 1],
    ['g/+/msg', 1],
    ['g/town/msg', 1],
    ['g/town/#', 1],
    ['g/city/msg', 0x87],
    ['g/nowhere/msg', 0x87],
    ['u/eve/#', 0x87],
    ['u/eve/msg', 0x87],
    ['u/+/msg', 0x87],
    ['#', 0x87],
    ['+/+/+', 0x87],
    ['$SYS/#', 0x87],
    ['$share/x/g/town/msg', 0x87],
    ['t/x', 0x87],
    ['', 0x87],
  ]
  const granted = await grants(world, link, ...table.map(([filter]) => filter))
  t.same(
    granted,
    table.map(([, code]) => code),
  )
  t.same(await grants(world, link, ['g/+/msg', 2], ['g/+/#', 0], ['x', 2]), [1, 0, 0x87])
})

t.test(
  'a session holds so many filters; an equal one replaces and is always granted',
  async (t) => {
    const world = makeWorld(t)
    const groups = Array.from({ length: subscriptionsMax + 1 }, (_, index) => `group${index}`)
    for (const group of groups) world.memory.group(group, 'bob')
    const { link } = await world.connect('bob/phone')
    const granted = await grants(world, link, ...groups.map((group) => `g/${group}/msg`))
    t.equal(granted.filter((code) => code === 1).length, subscriptionsMax)
    t.equal(granted.at(-1), 0x97)
    t.same(await grants(world, link, 'g/group0/msg'), [1])
  },
)

t.test('a large SUBSCRIBE costs a member of many groups what it costs anybody', async (t) => {
  // 256 KiB hold 20,000 such filters, and nobody else has a turn while they are looked at.
  const filters = Array.from({ length: 20_000 }, (_, index) => `g/x${index}/msg`)
  const timeOf = async (groups: number) => {
    const world = makeWorld(t)
    for (let i = 0; i < groups; i++) world.memory.group(`group${i}`, 'bob')
    const { link } = await world.connect('bob/phone')
    await grants(world, link, ...filters)
    const began = performance.now()
    await grants(world, link, ...filters)
    return performance.now() - began
  }
  const [few, many] = [await timeOf(1), await timeOf(4000)]
  t.ok(many < 10 * few + 50, `${few.toFixed(1)} ms with one group, ${many.toFixed(1)} with 4000`)
})

t.test('many filters and many groups do not hold up everybody', async (t) => {
  const world = makeWorld(t)
  const groups = Array.from({ length: 4000 }, (_, index) => `group${index}`)
  for (const group of groups) world.memory.group(group, 'bob')
  const { link } = await world.connect('bob/phone')
  const filters = groups.slice(0, subscriptionsMax).map((group) => `g/${group}/msg`)
  const began = performance.now()
  await grants(world, link, ...filters)
  const tookMs = performance.now() - began
  t.ok(tookMs < 200, `${tookMs.toFixed(0)} ms in one turn of the loop`)
})

t.test('subscribing again keeps the position, with the new QoS', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob')
  const { link } = await world.connect('bob/phone', { filters: ['g/+/msg'] })
  world.publish(town, 2)
  await grants(world, link, 'g/+/msg', 'g/town/msg')
  world.publish(town)
  t.same(link.seqs(), [1, 2, 3], 'each once')
  await grants(world, link, ['g/+/msg', 0])
  world.publish(town)
  t.equal(link.delivered.at(-1)?.packetId, 4, 'the other filter still asks for QoS 1')
  await grants(world, link, ['g/town/msg', 0])
  world.publish(town)
  t.same([link.delivered.at(-1)?.packetId, link.seqs()], [0, [1, 2, 3, 4, 5]])
})

t.test('entries that come while the subscription is stored are delivered', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob')
  world.publish(town, 2)
  const { link } = await world.connect('bob/phone')
  world.memory.pace = async (port) => {
    if (port === 'save') world.publish(town, 2)
  }
  await grants(world, link, 'g/+/msg')
  world.publish(town)
  await settle()
  t.same(link.seqs(), [3, 4, 5])
})

t.test('unsubscribing ends the deliveries and drops the cursors', async (t) => {
  const world = makeWorld(t)
  const [town, city] = [world.memory.group('town', 'bob'), world.memory.group('city', 'bob')]
  const { link } = await world.connect('bob/phone', { filters: ['g/+/msg', 'g/city/#'] })
  world.publish(town, 2)
  world.publish(city, 2)
  link.acknowledgeAll()
  if (link.session) await world.engine.unsubscribe(link.session, ['g/+/msg', 'never/had'])
  world.publish(town)
  world.publish(city)
  await settle()
  t.same(
    [link.seqs(town), link.seqs(city)],
    [
      [1, 2],
      [1, 2, 3],
    ],
  )
  await world.disconnect(link)
  t.equal(world.memory.acked('bob', 'phone', town), undefined)
  t.equal(world.memory.acked('bob', 'phone', city), 2)
  const subscriptions = world.memory.devices.get('bob/phone')?.subscriptions
  t.same(subscriptions, [{ filter: 'g/city/#', qos: 1 }])
})

t.test('acknowledging what came before an UNSUBSCRIBE brings no cursor back', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob')
  const { link } = await world.connect('bob/phone', { filters: ['g/+/msg'] })
  world.publish(town, 3)
  if (link.session) await world.engine.unsubscribe(link.session, ['g/+/msg'])
  link.acknowledgeAll()
  await world.disconnect(link)
  t.equal(world.memory.acked('bob', 'phone', town), undefined)
})

t.test('a cursor that waits to be written does not come back after an UNSUBSCRIBE', async (t) => {
  const world = makeWorld(t, { cursorFlushMs: 20 })
  const [town, city] = [world.memory.group('town', 'bob'), world.memory.group('city', 'bob')]
  const { link } = await world.connect('bob/phone', { filters: ['g/+/msg', 'g/city/msg'] })
  world.publish(town, 3)
  link.acknowledgeAll()
  if (link.session) await world.engine.unsubscribe(link.session, ['g/+/msg'])
  world.publish(city)
  link.acknowledgeAll()
  await until('a bulk was written', () => world.memory.acked('bob', 'phone', city) === 1)
  t.equal(world.memory.acked('bob', 'phone', town), undefined)
})

t.test('after UNSUBSCRIBE and SUBSCRIBE a device starts at the head', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob')
  const { link } = await world.connect('bob/phone', { filters: ['g/+/msg'] })
  if (link.session) await world.engine.unsubscribe(link.session, ['g/+/msg'])
  world.publish(town, 3)
  await grants(world, link, 'g/+/msg')
  world.publish(town)
  await settle()
  t.same(link.seqs(), [4])
})

t.test('a store that fails rejects the SUBSCRIBE, and nothing is delivered for it', async (t) => {
  const world = makeWorld(t)
  const town = world.memory.group('town', 'bob')
  const { link } = await world.connect('bob/phone')
  world.memory.failures.set('save', 1)
  await t.rejects(grants(world, link, 'g/+/msg'), { name: 'StoreFailure' })
  world.publish(town)
  await settle()
  t.same(link.seqs(), [])
})

t.test('what a connection stores late does not undo what its successor was told', async (t) => {
  const world = makeWorld(t)
  const { memory, engine } = world
  memory.group('town', 'bob')
  const { link } = await world.connect('bob/phone', { filters: ['g/+/msg'] })
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  memory.pace = (port) => (port === 'save' ? gate : Promise.resolve())
  if (link.session === undefined) throw new Error('not connected')
  const unsubscribed = engine.unsubscribe(link.session, ['g/+/msg'])
  const connected = world.connect('bob/phone', { filters: ['g/+/msg'] })
  await settle()
  open()
  await Promise.all([unsubscribed, connected])
  t.match(memory.devices.get('bob/phone')?.subscriptions, [{ filter: 'g/+/msg' }])
})
