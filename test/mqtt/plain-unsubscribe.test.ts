// Plain topics: an UNSUBSCRIBE whose connection ends before the UNSUBACK, and one that is repeated.

import { Socket } from 'node:net'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { connectPacket, connectRaw, openRaw, publishPacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'

type Owner = Parameters<typeof startTestServer>[0]

const server = await startTestServer(t, { openTopics: 't/#' })
const rounds = 8

function join(t: Owner, id: string, clean = false) {
  return connectRaw(t, server, { user: 'alice', id }, { clean })
}

async function subscribe(client: RawClient, topic: string): Promise<void> {
  const before = client.of('suback').length
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  await client.wait('suback', before + 1)
}

function unsubscribe(client: RawClient, topic: string): void {
  client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [topic] })
}

/** What the client hears of a message to a topic, and of another that it is subscribed to. */
async function heard(t: Owner, client: RawClient, topic: string): Promise<string[]> {
  const end = `t/end/${topic}`
  await subscribe(client, end)
  const publisher = await join(t, 'publisher', true)
  publisher.send(publishPacket(topic, 'zombie', 1), publishPacket(end, 'end', 2))
  await publisher.wait('puback', 2)
  const packets = await client.wait('publish')
  return packets.map(({ payload }) => payload.toString())
}

/** Unsubscribes and reconnects before the answer; what is heard after another UNSUBSCRIBE. */
async function leaveTwice(t: Owner, id: string, interrupt: (before: RawClient) => void) {
  const topic = `t/${id}`
  const before = await join(t, id)
  await subscribe(before, topic)
  const after = await openRaw(t, server)
  const connect = await connectPacket(server, { user: 'alice', id })
  unsubscribe(before, topic)
  interrupt(before)
  after.send(connect)
  await after.wait('connack')
  unsubscribe(after, topic)
  await after.wait('unsuback')
  return heard(t, after, topic)
}

t.test('UNSUBSCRIBE is obeyed when it comes again after a reset [MQTT-3.10.4-1]', async (t) => {
  for (let round = 0; round < rounds; round++) {
    const reset = ({ stream }: RawClient) => {
      // Once the server has read the packet.
      setImmediate(() => stream instanceof Socket && stream.resetAndDestroy())
    }
    t.same(await leaveTwice(t, `reset-${round}`, reset), ['end'])
  }
})

t.test('UNSUBSCRIBE is obeyed when it comes again after a takeover [MQTT-3.10.4-1]', async (t) => {
  for (let round = 0; round < rounds; round++) {
    t.same(await leaveTwice(t, `taken-${round}`, () => {}), ['end'])
  }
})
