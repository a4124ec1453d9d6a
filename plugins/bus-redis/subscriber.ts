// The listening half of a shard, as mqemitter-redis sees it: what is subscribed to in one turn goes
// to Redis together, and all of it anew after a reconnect. Own messages are dropped unread.

import type { Redis } from 'ioredis'

type Done = (error?: Error | null) => void
type Message = (channel: Buffer, bytes: Buffer) => void

/** What mqemitter-redis asks of the connection that listens, and the bus of it. */
export interface Subscriber {
  on(event: string, listener: (...values: unknown[]) => void): unknown
  subscribe(channel: string, done: Done): void
  unsubscribe(channel: string, done: Done): void
  /** Whether Redis has all subscriptions. */
  isComplete(): boolean
  /** Proves that the connection is alive: it ends when no answer comes. */
  ping(): void
  close(): void
}

interface SubscriberParts {
  readonly redis: Redis
  /** What own messages end with. */
  readonly mark: Buffer
  /** Told when `isComplete` has changed. */
  readonly changed: () => void
  /** Told of a message that is not one of ours. */
  readonly unreadable: (error: unknown) => void
}

/** Most channels of one command. */
const channelsMax = 1000

/** Makes the subscriber over a connection of the use `bus`. */
export function makeSubscriber(parts: SubscriberParts): Subscriber {
  const { redis, mark, changed } = parts
  const wanted = new Set<string>()
  /** What is not sent yet: who waits, by channel; the last wish of a turn counts. */
  let waiting = new Map<string, Done[]>()
  let isComplete = false

  const send = async (command: 'subscribe' | 'unsubscribe', channels: readonly string[]) => {
    for (let at = 0; at < channels.length; at += channelsMax) {
      await redis[command](...channels.slice(at, at + channelsMax))
    }
  }

  const flush = async () => {
    const changes = waiting
    waiting = new Map()
    const [on, off]: [string[], string[]] = [[], []]
    for (const channel of changes.keys()) (wanted.has(channel) ? on : off).push(channel)
    // While it is away nothing is sent: all that is wanted then is, when it is back.
    if (redis.status === 'ready') {
      await Promise.all([send('unsubscribe', off), send('subscribe', on)]).catch(restart)
    }
    for (const callbacks of changes.values()) for (const done of callbacks) done()
  }

  const change = (channel: string, done: Done) => {
    if (waiting.size === 0) queueMicrotask(flush)
    const callbacks = waiting.get(channel)
    if (callbacks === undefined) waiting.set(channel, [done])
    else callbacks.push(done)
  }

  /** What Redis has is not known any more. */
  const restart = () => redis.disconnect(true)

  const setComplete = (complete: boolean) => {
    if (isComplete === complete) return
    isComplete = complete
    changed()
  }

  const renew = () => {
    send('subscribe', [...wanted]).then(() => setComplete(true), restart)
  }
  const lost = () => setComplete(false)
  redis.on('ready', renew)
  redis.on('close', lost)
  if (redis.status === 'ready') renew()

  return {
    on(event, listener) {
      if (event !== 'messageBuffer') return redis.on(event, listener)
      const hear = listener as unknown as Message
      return redis.on(event, (channel: Buffer, bytes: Buffer) => {
        try {
          const end = bytes.length
          if (end < mark.length) return
          if (bytes.compare(mark, 0, mark.length, end - mark.length, end) === 0) return
          hear(channel, bytes)
        } catch (error) {
          parts.unreadable(error)
        }
      })
    },
    subscribe(channel, done) {
      wanted.add(channel)
      change(channel, done)
    },
    unsubscribe(channel, done) {
      wanted.delete(channel)
      change(channel, done)
    },
    isComplete: () => isComplete,
    ping() {
      if (redis.status === 'ready') redis.ping().catch(() => {})
    },
    close() {
      redis.off('ready', renew)
      redis.off('close', lost)
    },
  }
}
