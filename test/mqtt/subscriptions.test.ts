// Who may subscribe to what: each filter with the code it is granted, and that a refused one hears
// nothing.

import t from 'tap'
import { codesOf } from '../support/level.ts'
import { connectRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeBystanders } from './bystanders.ts'

const server = await startTestServer(t)
const bystanders = await makeBystanders(t, server)
await server.addGroup('own', ['mallory'])
const mallory = { user: 'mallory', id: 'phone' }

/** Filter, and the code granted to mallory who asks for QoS 1. */
const table: readonly (readonly [string, 1 | 128])[] = [
  ['u/mallory/#', 1],
  ['u/mallory/msg', 1],
  ['u/mallory/receipt', 1],
  ['u/mallory/typing', 1],
  ['u/mallory/event', 1],
  ['u/mallory/error', 1],
  ['g/+/#', 1],
  ['g/+/msg', 1],
  ['g/+/receipt', 1],
  ['g/+/typing', 1],
  ['g/own/#', 1],
  ['g/own/msg', 1],
  ['g/club/msg', 128],
  ['g/club/#', 128],
  ['g/nowhere/msg', 128],
  ['u/dave/#', 128],
  ['u/dave/msg', 128],
  ['u/+/msg', 128],
  ['u/+/#', 128],
  ['u/#', 128],
  ['u/mallory', 128],
  ['u/mallory/+', 128],
  ['u/mallory/other', 128],
  ['u/mallory/msg/#', 128],
  ['u/Mallory/msg', 128],
  ['g/#', 128],
  ['g/+', 128],
  ['g/+/+', 128],
  ['g/own/event', 128],
  ['#', 128],
  ['+', 128],
  ['+/+', 128],
  ['+/+/msg', 128],
  ['+/dave/msg', 128],
  ['+/+/#', 128],
  ['/#', 128],
  ['$SYS/#', 128],
  ['$SYS/broker/uptime', 128],
  ['$share/x/u/dave/msg', 128],
  ['$log/g:club', 128],
  ['$log/#', 128],
  ['t/x', 128],
  ['t/#', 128],
  ['p/dave', 128],
  ['p/+', 128],
  ['', 128],
  ['/', 128],
  ['u/mallory/#/x', 128],
  ['u/mallory#', 128],
  ['u/mal+ory/msg', 128],
  ['u/mallory/msg ', 128],
  ['x'.repeat(2000), 128],
]

for (const [filter, code] of table) {
  const title = `${JSON.stringify(filter.slice(0, 30))} is ${code === 1 ? 'granted' : 'refused'}`
  t.test(title, async (t) => {
    const client = await connectRaw(t, server, mallory, { clean: true })
    client.send({ cmd: 'subscribe', messageId: 9, subscriptions: [{ topic: filter, qos: 1 }] })
    const [suback] = await client.wait('suback')
    t.same(codesOf(suback), [code])
    t.equal(suback?.messageId, 9)
    if (code === 1) return
    await bystanders.areUnharmed(t)
    client.send({ cmd: 'pingreq' })
    await client.wait('pingresp')
    t.same(client.of('publish'), [], 'it hears nothing of the others')
  })
}

t.test('the answers of one SUBSCRIBE stand in the order of its filters', async (t) => {
  const client = await connectRaw(t, server, mallory, { clean: true })
  const subscriptions = table.map(([topic]) => ({ topic, qos: 2 as const }))
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  const [suback] = await client.wait('suback')
  t.same(
    codesOf(suback),
    table.map(([, code]) => code),
    'and QoS 2 is granted as 1',
  )
})

t.test('QoS 0 is granted as asked for, and delivered at QoS 0', async (t) => {
  const client = await connectRaw(t, server, mallory, { clean: true })
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'g/own/msg', qos: 0 }] })
  const [suback] = await client.wait('suback')
  t.same(suback?.granted, [0])
  client.send(publishPacket('g/own/msg', 'hi', 1))
  const [message] = await client.wait('publish')
  t.match(message, { qos: 0, topic: 'g/own/msg' })
})

t.test('overlapping filters deliver each message once', async (t) => {
  const client = await connectRaw(t, server, mallory, { clean: true })
  const filters = ['g/+/#', 'g/+/msg', 'g/own/msg', 'g/own/#']
  const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }))
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  client.send(publishPacket('g/own/msg', 'one', 1), publishPacket('g/own/msg', 'two', 2))
  await until('both', () => client.of('publish').length >= 2)
  client.send({ cmd: 'pingreq' })
  await client.wait('pingresp')
  t.same(
    client.of('publish').map(({ payload }) => JSON.parse(payload.toString()).text),
    ['one', 'two'],
  )
})

t.test('UNSUBSCRIBE ends what came by that filter, and only by that filter', async (t) => {
  const client = await connectRaw(t, server, mallory, { clean: true })
  const filters = ['g/own/msg', 'u/mallory/msg'].map((topic) => ({ topic, qos: 1 as const }))
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: filters })
  client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['g/own/msg', 'not/held'] })
  const [unsuback] = await client.wait('unsuback')
  t.equal(unsuback?.messageId, 2)
  client.send(publishPacket('g/own/msg', 'unheard', 1), publishPacket('u/mallory/msg', 'note', 2))
  await until('the note', () => client.of('publish').length > 0)
  client.send({ cmd: 'pingreq' })
  await client.wait('pingresp')
  t.match(client.of('publish'), [{ topic: 'u/mallory/msg' }])
  t.equal(client.of('publish').length, 1)
})
