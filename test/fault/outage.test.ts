// What an outage of the store must not do: change the order of a publisher's messages, or go
// unnoticed because nobody publishes.

import t from 'tap'
import { until } from '../support/until.ts'
import { lockDatabase } from './locked-database.ts'
import { conversationOf, readHistory, startServer } from './server-program.ts'
import { connectWire } from './wire-client.ts'

t.test(
  'messages keep their order when the store comes back as the first is given up',
  async (t) => {
    const data = t.testdir()
    const server = await startServer(t, data, ['--append-wait-ms', '1500'])
    const token = await server.token('alice')
    await server.token('bob')
    const connect = async (acknowledged: number[]) =>
      connectWire(t, {
        port: server.mqttPort,
        user: 'alice',
        device: 'phone',
        token,
        heard: (packets) => {
          for (const packet of packets) {
            if (packet.cmd === 'puback') acknowledged.push(packet.messageId as number)
          }
        },
      })
    const publish = (number: number, dup = false) => ({
      cmd: 'publish' as const,
      topic: 'u/bob/msg',
      qos: 1 as const,
      retain: false,
      dup,
      messageId: number,
      payload: JSON.stringify({ id: `m${number}`, text: `${number}` }),
    })
    const first: number[] = []
    const before = await connect(first)
    before.send([publish(100)])
    await until('the conversation is there', () => first.length === 1)
    const release = await lockDatabase(t, data)
    before.send([publish(1)])
    await until(
      'the server has noticed',
      async () => (await server.request('/readyz')).status === 503,
    )
    // This one is younger, and would be stored when the first has been given up.
    before.send([publish(2)])
    await until('the connection is closed', () => !before.isOpen())
    release()
    t.same(first, [100], 'nothing of it was acknowledged')
    const second: number[] = []
    const after = await connect(second)
    after.send([publish(1, true), publish(2, true)])
    await until('both are acknowledged', () => second.length === 2)
    t.same(second, [1, 2])
    const entries = await readHistory(server, token, conversationOf('alice', 'u/bob/msg'))
    t.same(
      entries.map(({ text }) => text),
      ['100', '1', '2'],
    )
  },
)

t.test('readiness turns red for whatever cannot be stored, and green by itself', async (t) => {
  const data = t.testdir()
  const server = await startServer(t, data)
  const token = await server.token('alice')
  const release = await lockDatabase(t, data)
  const group = await server.request('/v1/groups', { token, body: { members: [] } })
  t.equal(group.status, 503)
  t.equal((await server.request('/readyz')).status, 503)
  release()
  await until('it is green', async () => (await server.request('/readyz')).status === 200)
})
