// Topic aliases of MQTT 5: numbers that stand for topics while a connection lasts, in each
// direction its own [MQTT5 3.3.2.3.4].

import { reasonCode } from '../../protocol/reasons.ts'
import { FatalPacket } from './fatal-packet.ts'
import type { PublishPacket } from './packets.ts'

/** Most bytes of the topics that have aliases, in each direction: a little more than the longest
 * topic. */
const aliasedBytesMax = 66_000

/** The aliases a client gives to topics it publishes to. */
export class InboundAliases {
  readonly #max: number
  #topics: Map<number, string> | undefined
  #bytes = 0

  /** Takes aliases from 1 to `max`; 0 for none. */
  constructor(max: number) {
    this.#max = max
  }

  /** The PUBLISH with its topic, whether it came with it or with an alias that stands for it.
   * Throws `FatalPacket`. */
  resolve(packet: PublishPacket): PublishPacket {
    const { topic, properties } = packet
    const alias = properties.topicAlias
    if (alias === undefined) {
      if (topic !== '') return packet
      throw new FatalPacket('a PUBLISH without a topic', reasonCode.protocolError)
    }
    if (alias > this.#max) {
      throw new FatalPacket(`topic alias ${alias} [MQTT5-3.3.2-9]`, reasonCode.topicAliasInvalid)
    }
    this.#topics ??= new Map()
    if (topic !== '') {
      this.#bytes += topic.length - (this.#topics.get(alias)?.length ?? 0)
      if (this.#bytes > aliasedBytesMax) {
        throw new FatalPacket('topic aliases of long topics', reasonCode.quotaExceeded)
      }
      this.#topics.set(alias, topic)
      return packet
    }
    const known = this.#topics.get(alias)
    if (known !== undefined) return { ...packet, topic: known }
    throw new FatalPacket(`topic alias ${alias} of no topic`, reasonCode.topicAliasInvalid)
  }
}

/** The aliases the server gives to topics it delivers under: the first topics get one, and keep
 * it. */
export class OutboundAliases {
  readonly #max: number
  #aliases: Map<string, number> | undefined
  #bytes = 0

  /** Gives aliases from 1 to `max`, what the client takes [MQTT5-3.1.2-26]; 0 for none
   * [MQTT5-3.1.2-27]. */
  constructor(max: number) {
    this.#max = max
  }

  /** What to send a topic by: n if the client knows it by that alias, -n if it is to be told it, 0
   * if there is none. */
  find(topic: string): number {
    if (this.#max === 0) return 0
    const known = this.#aliases?.get(topic)
    if (known !== undefined) return known
    const next = (this.#aliases?.size ?? 0) + 1
    return next <= this.#max && this.#bytes + topic.length <= aliasedBytesMax ? -next : 0
  }

  /** A packet was written to a topic by what `find` said. */
  used(topic: string, alias: number): void {
    if (alias >= 0) return
    this.#aliases ??= new Map()
    this.#aliases.set(topic, -alias)
    this.#bytes += topic.length
  }
}
