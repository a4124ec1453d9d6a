// Packet ids of messages to a client, when they have been used once and begin anew.

import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { publishPacket } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { leave, openWays, subscribe } from '../support/ways.ts'

const ways = await openWays(t, { windowBytesMax: '16777216', plainQueueMax: '30000' })
const [way] = ways
if (way === undefined) throw new Error('there is no way')
/** How many ids aedes has: the others are those of chat. */
const range = 32_767

/** Counts what comes of a kind, and forgets it. */
function counting(
  client: RawClient,
  take: (messageId: number) => void,
  kind: 'publish' | 'puback',
) {
  client.stream.on('data', () => {
    for (const { messageId = 0 } of client.of(kind)) take(messageId)
    client.packets.length = 0
  })
}

/** Publishes so many messages, as fast as they are answered. */
async function publishMany(publisher: RawClient, topic: string, count: number): Promise<void> {
  let answered = 0
  counting(publisher, () => answered++, 'puback')
  for (let sent = 0; sent < count; ) {
    const ids = Array.from({ length: Math.min(1000, count - sent) }, (_, index) => index + 1)
    publisher.send(...ids.map((id) => publishPacket(topic, 'x', id)))
    sent += ids.length
    await until(`${sent} answers`, () => answered >= sent)
  }
}

t.test('an id is not given again while its message is unanswered [MQTT-2.3.1-4]', async (t) => {
  const client = await way.join(t, 'holder', { acknowledge: false })
  await subscribe(client, ['t/round', 1])
  const counts = new Map<number, number>()
  let held = 0
  let heard = 0
  const answer = (messageId: number) => {
    heard++
    counts.set(messageId, (counts.get(messageId) ?? 0) + 1)
    if (held === 0) held = messageId
    else client.send({ cmd: 'puback', messageId })
  }
  counting(client, answer, 'publish')
  await publishMany(await way.join(t, 'publisher'), 't/round', range + 2000)
  await until('all have come', () => heard === range + 2000)
  t.equal(counts.get(held), 1)
  t.equal(counts.size, range, 'all others were used')
  await leave(client)
})

t.test('a client that leaves all ids unanswered is cut', async (t) => {
  const client = await way.join(t, 'mute', { acknowledge: false })
  await subscribe(client, ['t/mute', 1])
  let heard = 0
  counting(client, () => heard++, 'publish')
  const publisher = await way.join(t, 'publisher')
  await publishMany(publisher, 't/mute', range)
  await until('all have come', () => heard === range)
  t.equal(client.isClosed(), false)
  publisher.send(publishPacket('t/mute', 'one too many', 1))
  await client.closed()
})
