// The plain lane: which connections reach aedes.

import t from 'tap'
import { deviceOfKey } from '../../../services/delivery/locks.ts'
import { until } from '../../support/until.ts'
import { connectRaw, makeBenchBroker, publish } from '../support/bench-broker.ts'

t.test('a connection that only chats never reaches aedes', async (t) => {
  const { world, port, broker, stored } = await makeBenchBroker(t)
  world.memory.group('town', 'alice')
  const alice = await connectRaw(t, port, 'alice')
  alice.send(
    { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'g/town/msg', qos: 1 }] },
    publish('g/town/msg', 'hello', 1),
    { cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['g/town/msg', 't/x'] },
    { cmd: 'pingreq' },
  )
  await alice.got('pingresp')
  const again = await connectRaw(t, port, 'alice')
  again.send({ cmd: 'disconnect' })
  await until('both are gone', () => broker.connections() === 0)
  t.same(stored, ['hello'])
  t.equal(broker.plainClients(), 0)
})

t.test('DISCONNECT ends the connection [MQTT-3.14.4-1]', async (t) => {
  const { port } = await makeBenchBroker(t)
  const alice = await connectRaw(t, port, 'alice')
  alice.send({ cmd: 'disconnect' }, { cmd: 'pingreq' })
  await until('closed', alice.isClosed)
  t.same(
    alice.packets.map(({ cmd }) => cmd),
    ['connack'],
    'nothing after it is answered',
  )
})

t.test('a DISCONNECT with flags or a body is no DISCONNECT [MQTT-3.14.1-1]', async (t) => {
  const { port } = await makeBenchBroker(t)
  for (const bytes of [Buffer.from([0xe1, 0]), Buffer.from([0xe0, 1, 0])]) {
    const alice = await connectRaw(t, port, 'alice')
    alice.send(bytes, { cmd: 'pingreq' })
    await until('closed', alice.isClosed)
    t.equal(alice.packets.length, 1)
  }
})

t.test('CONNACK is the first packet, and says what the store knows [MQTT-3.2.0-1]', async (t) => {
  const { port } = await makeBenchBroker(t)
  for (const present of [false, true]) {
    const alice = await connectRaw(t, port, 'alice', { clean: false })
    t.match(alice.packets[0], { cmd: 'connack', sessionPresent: present })
    alice.send({ cmd: 'disconnect' })
    await until('closed', alice.isClosed)
  }
})

t.test('aedes forgets the devices that stayed away', async (t) => {
  const { world, port, broker, plainPersistence } = await makeBenchBroker(t)
  const { devices } = world.memory
  const users = ['alice', 'bob']
  for (const user of users) {
    const client = await connectRaw(t, port, user, { clean: false })
    const subscriptions = [{ topic: 't/open', qos: 1 as const }]
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
    await client.got('suback')
    client.send({ cmd: 'disconnect' })
  }
  await until('both are gone', () => broker.plainClients() === 0 && broker.connections() === 0)
  const keys = [...devices.keys()]
  const subscribed = async () => {
    const found = await plainPersistence.subscriptionsByTopic('t/open')
    return found.map(({ clientId }) => clientId)
  }
  t.same(await subscribed(), keys)
  world.engine.expired(deviceOfKey(keys[0] ?? ''))
  await until('one is left', async () => (await subscribed()).length === 1)
  t.same(await subscribed(), keys.slice(1))
})
