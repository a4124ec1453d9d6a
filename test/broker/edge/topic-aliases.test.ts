// Topic aliases, in both directions.

import t from 'tap'
import type { FatalPacket } from '../../../broker/edge/fatal-packet.ts'
import type { PublishPacket } from '../../../broker/edge/packets.ts'
import { InboundAliases, OutboundAliases } from '../../../broker/edge/topic-aliases.ts'
import { reasonCode } from '../../../protocol/reasons.ts'

function publish(topic: string, topicAlias?: number): PublishPacket {
  const properties = topicAlias === undefined ? {} : { topicAlias }
  const payload = Buffer.from('x')
  return { topic, properties, qos: 0, packetId: 0, dup: false, retain: false, payload }
}

/** Why the packet ends the connection. */
function reasonOf(work: () => unknown): number | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return (error as FatalPacket).reason
  }
}

t.test('an alias stands for the topic it was last sent with', async (t) => {
  const aliases = new InboundAliases(2)
  t.equal(aliases.resolve(publish('a')).topic, 'a', 'none is needed')
  t.equal(aliases.resolve(publish('a', 1)).topic, 'a')
  t.equal(aliases.resolve(publish('b', 2)).topic, 'b')
  t.same([aliases.resolve(publish('', 1)).topic, aliases.resolve(publish('', 2)).topic], ['a', 'b'])
  aliases.resolve(publish('c', 1))
  t.match(aliases.resolve(publish('', 1)), { topic: 'c', payload: Buffer.from('x') })
})

t.test('an alias above the maximum, or of no topic, is invalid [MQTT5-3.3.2-9]', async (t) => {
  const aliases = new InboundAliases(2)
  const { topicAliasInvalid } = reasonCode
  t.equal(
    reasonOf(() => aliases.resolve(publish('a', 3))),
    topicAliasInvalid,
  )
  t.equal(
    reasonOf(() => aliases.resolve(publish('', 2))),
    topicAliasInvalid,
  )
  t.equal(
    reasonOf(() => new InboundAliases(0).resolve(publish('a', 1))),
    topicAliasInvalid,
  )
})

t.test('a PUBLISH with neither topic nor alias breaks the protocol', async (t) => {
  const aliases = new InboundAliases(2)
  t.equal(
    reasonOf(() => aliases.resolve(publish(''))),
    reasonCode.protocolError,
  )
})

t.test('the first topics get an alias, and are told it until a packet was written', async (t) => {
  const aliases = new OutboundAliases(2)
  t.equal(aliases.find('a'), -1)
  t.equal(aliases.find('a'), -1, 'nothing was written')
  aliases.used('a', -1)
  t.equal(aliases.find('a'), 1)
  aliases.used('a', 1)
  aliases.used('b', aliases.find('b'))
  t.same(
    ['a', 'b', 'c'].map((topic) => aliases.find(topic)),
    [1, 2, 0],
  )
})

t.test('a client that takes no aliases gets none [MQTT5-3.1.2-27]', async (t) => {
  t.equal(new OutboundAliases(0).find('a'), 0)
})
