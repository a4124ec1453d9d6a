// The pace of a publisher: who is too quick is read later, and loses nothing.

import t from 'tap'
import { connectRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { makeBystanders } from './bystanders.ts'

for (const topic of ['u/alice/msg', 't/x']) {
  t.test(`messages to ${topic} are taken in a burst, and then at the pace`, async (t) => {
    const server = await startTestServer(t, {
      publishesPerSecond: '20',
      publishesBurst: '10',
      openTopics: 't/#',
    })
    const bystanders = await makeBystanders(t, server)
    const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
    const ids = Array.from({ length: 40 }, (_, index) => index + 1)
    const from = Date.now()
    alice.send(...ids.map((id) => publishPacket(topic, `${id}`, id)), { cmd: 'pingreq' })
    await bystanders.areUnharmed(t)
    await alice.wait('puback', 40)
    const ms = Date.now() - from
    // Thirty at twenty a second.
    t.ok(ms >= 1400, `it took ${ms} ms`)
    t.same(
      alice.of('puback').map(({ messageId }) => messageId),
      ids,
    )
    await alice.wait('pingresp')
  })
}

t.test('only messages count', async (t) => {
  const server = await startTestServer(t, { publishesPerSecond: '1', publishesBurst: '1' })
  const alice = await connectRaw(t, server, { user: 'alice', id: 'phone' })
  alice.send(...Array.from({ length: 1000 }, () => ({ cmd: 'pingreq' as const })))
  await alice.wait('pingresp', 1000)
})
