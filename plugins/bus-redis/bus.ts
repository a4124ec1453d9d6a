// The bus on mqemitter-redis, over one Redis or several that share the channels. What it adds:
// few and large commands, own messages that cost nothing, and knowing when something was missed.

import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import mqemitterRedis from 'mqemitter-redis'
import type { Logger } from '../../protocol/logger.ts'
import type { Bus, Hear } from '../../services/bus/ports.ts'
import type { Publisher } from './publisher.ts'
import { makePublisher } from './publisher.ts'
import { makeShardOf } from './shards.ts'
import type { Subscriber } from './subscriber.ts'
import { makeSubscriber } from './subscriber.ts'

/** One Redis of the bus: a connection of the use `commands`, and one of the use `bus`. They are
 * closed by who made them, after the bus. */
export interface BusConnections {
  readonly commands: Redis
  readonly subscriptions: Redis
}

interface Shard {
  readonly emitter: mqemitterRedis.MQEmitterRedis
  readonly publisher: Publisher
  readonly subscriber: Subscriber
}

/** What goes through mqemitter-redis. At the end of the text, and so of the message, stands a mark
 * of who sent it. */
interface Message {
  readonly topic: string
  readonly text: string
}

const prefix = 'parley:'
const markBytes = 6
/** How often connections that listen are proved to be alive, and what was lost is seen to, ms. */
const checkMs = 1000
/** mqemitter-redis remembers so many messages, in case they come twice: they do not. */
const rememberedMax = 64

/** Makes the bus. All brokers must name the same servers, in any order. */
export function makeRedisBus(servers: readonly BusConnections[], logger: Logger): Bus {
  const mark = randomBytes(markBytes).toString('base64url')
  const counts = { emitted: 0, dropped: 0, received: 0 }
  const upCallbacks: (() => void)[] = []
  let hear: Hear = () => {}
  let isUp = false

  const update = () => {
    const wasUp = isUp
    isUp = shards.every(
      ({ publisher, subscriber }) => publisher.isFaithful() && subscriber.isComplete(),
    )
    if (isUp && !wasUp) for (const callback of upCallbacks) callback()
  }
  const unreadable = (err: unknown) => logger.warn({ err }, 'a message of the bus is unreadable')
  const shards = servers.map((server) =>
    makeShard(server, { mark: Buffer.from(mark), changed: update, unreadable }),
  )
  const shardIndexOf = makeShardOf(servers.map(({ commands }) => nameOf(commands)))
  const shardOf = (channel: string) => shards[shardIndexOf(channel)] as Shard

  const received = (message: mqemitterRedis.Message, done: () => void) => {
    const { topic, text } = message as unknown as Message
    done()
    if (typeof text !== 'string') return
    counts.received++
    hear(topic.slice(prefix.length), text.slice(0, -mark.length))
  }
  const settled = (error?: Error) => {
    if (error !== undefined) counts.dropped++
  }

  const timer = setInterval(() => {
    for (const { publisher, subscriber } of shards) {
      subscriber.ping()
      publisher.forgive()
    }
    update()
  }, checkMs)
  timer.unref()

  return {
    onText(callback) {
      hear = callback
    },
    listen: (channel) =>
      new Promise((resolve) => {
        shardOf(channel).emitter.on(prefix + channel, received, resolve)
      }),
    unlisten: (channel) => shardOf(channel).emitter.removeListener(prefix + channel, received),
    emit(channel, text) {
      counts.emitted++
      shardOf(channel).emitter.emit({ topic: prefix + channel, text: text + mark }, settled)
    },
    isUp() {
      // At once, not when the connection is found to be lost.
      if (isUp) update()
      return isUp
    },
    onUp: (callback) => void upCallbacks.push(callback),
    counts: () => ({ ...counts }),
    async close() {
      clearInterval(timer)
      hear = () => {}
      upCallbacks.length = 0
      for (const { subscriber } of shards) subscriber.close()
    },
  }
}

interface ShardParts {
  readonly mark: Buffer
  readonly changed: () => void
  readonly unreadable: (error: unknown) => void
}

function makeShard({ commands, subscriptions }: BusConnections, parts: ShardParts): Shard {
  const publisher = makePublisher(commands)
  const subscriber = makeSubscriber({ ...parts, redis: subscriptions })
  commands.on('ready', parts.changed)
  // Of a connection mqemitter-redis uses what these have.
  const emitter = mqemitterRedis({
    pubConn: publisher as unknown as Redis,
    subConn: subscriber as unknown as Redis,
    maxLRUCache: rememberedMax,
  })
  // Unheard, an error of its connections would end the process; `connectRedis` has logged it.
  const { state } = emitter as unknown as { readonly state: NodeJS.EventEmitter }
  state.on('error', () => {})
  return { emitter, publisher, subscriber }
}

/** The same for all who connect to the same server; without account and password. */
function nameOf({ options }: Redis): string {
  const { name, sentinels, host, port } = options
  return sentinels ? `${name}@${JSON.stringify(sentinels)}` : `${host}:${port}`
}
