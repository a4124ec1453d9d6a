// What brokers tell each other of plain topics, by mqemitter-redis: a broker hears what the filters
// of its own clients match. Redis Pub/Sub tells at most once, and nobody when it is away; who hears
// is told when something may have been missed.

import { randomUUID } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { Redis } from 'ioredis'
import makeEmitter from 'mqemitter-redis'
import type { Logger } from '../../protocol/logger.ts'

interface PlainPacket {
  readonly topic: string
  readonly payload: Uint8Array | string
}

/** A message as it is told. */
interface Told {
  /** The channel. */
  readonly topic: string
  readonly from: string
  readonly packet: PlainPacket
}

export interface PlainBus {
  /** Tells the other brokers, as well as that can be done now; never waits or fails. */
  tell(packet: PlainPacket): void
  /** What matches the filter is heard from now on; waits for Redis, but not for long. */
  listen(filter: string): Promise<void>
  unlisten(filter: string): void
  /** `take` gets what other brokers tell, once; `missed` is called when some of it may be lost. */
  hear(take: (packet: PlainPacket) => void, missed: () => void): void
  close(): Promise<void>
}

/** They are closed by who made them, after the bus. */
interface PlainBusParts {
  /** Of the use `commands`; others may use it, too. */
  readonly commands: Redis
  /** Of the use `subscriptions`, for the bus alone. */
  readonly subscriptions: Redis
  readonly logger: Logger
}

/** All channels of plain topics begin with it. */
const prefix = 'parley:plain:'
/** Messages on their way to Redis; further ones are not told. */
const underWayMax = 10_000
/** How long is waited until Redis has taken a filter, ms. */
const listenMs = 1000
/** Trouble is told once in so many ms. */
const complaintMs = 10_000

const lostTopic = `${prefix}$lost`

/** Makes the bus of a broker. */
export function makePlainBus({ commands, subscriptions, logger }: PlainBusParts): PlainBus {
  const emitter = makeEmitter({ subConn: subscriptions, pubConn: commands })
  const id = randomUUID()
  const complain = makeComplaints(logger)
  let underWay = 0
  let hasLost = false
  let take: (packet: PlainPacket) => void = ignore
  let missed = ignore
  let last: unknown

  // Without a listener an error ends the process.
  const { state } = emitter as unknown as { readonly state: EventEmitter }
  state.on('error', complain)

  /** mqemitter calls once for each filter that matches, in one turn, with the same message. */
  const heard = (message: object, done: () => void) => {
    const { from, packet } = message as Told
    if (message !== last && from !== id) take(packet)
    last = message
    done()
  }

  const lost = (_message: object, done: () => void) => {
    missed()
    done()
  }

  const send = (told: Told) => {
    if (underWay >= underWayMax) {
      hasLost = true
      return
    }
    underWay++
    emitter.emit(told, (err) => {
      underWay--
      if (!err) return
      hasLost = true
      complain(err)
    })
  }

  let wasConnected = false
  subscriptions.on('ready', () => {
    if (wasConnected) missed()
    wasConnected = true
  })
  // Others cannot know what this broker could not tell.
  const confess = setInterval(() => {
    if (!hasLost || commands.status !== 'ready') return
    hasLost = false
    send({ topic: lostTopic, from: id, packet: { topic: lostTopic, payload: '' } })
  }, listenMs)
  confess.unref()

  return {
    tell: (packet) => send({ topic: prefix + channelOf(packet.topic), from: id, packet }),
    listen(filter) {
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, listenMs)
        emitter.on(prefix + channelOf(filter), heard, () => {
          clearTimeout(timer)
          resolve()
        })
      })
    },
    unlisten: (filter) => emitter.removeListener(prefix + channelOf(filter), heard),
    hear(taken, gap) {
      take = taken
      missed = gap
      emitter.on(lostTopic, lost)
    },
    async close() {
      clearInterval(confess)
      emitter.removeListener(lostTopic, lost)
      take = ignore
      missed = ignore
    },
  }
}

/** A topic, or a filter, without what means something in a pattern of Redis; mqemitter-redis makes
 * one of a filter with wildcards. */
function channelOf(topic: string): string {
  return topic.replace(/[%*?[\]\\^]/g, (it) => `%${it.charCodeAt(0).toString(16)}`)
}

function makeComplaints(logger: Logger) {
  let last = Number.NEGATIVE_INFINITY
  return (err: unknown) => {
    if (performance.now() < last + complaintMs) return
    last = performance.now()
    logger.warn({ err }, 'Redis did not take what plain topics tell other brokers')
  }
}

function ignore(): void {}
