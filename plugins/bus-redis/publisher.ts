// The publishing half of a shard, as mqemitter-redis sees it: what is published in one turn goes to
// Redis as one command, and nothing is kept for a Redis that is away or does not keep up.

import type { Redis } from 'ioredis'

/** What mqemitter-redis asks of the connection that publishes, and the bus of it. */
export interface Publisher {
  on(event: string, listener: (...values: unknown[]) => void): unknown
  publish(channel: string, bytes: Buffer): Promise<unknown>
  /** Whether Redis is there, and nothing was lost since `forgive`. */
  isFaithful(): boolean
  /** Forgets what was lost, if Redis keeps up again. */
  forgive(): void
}

/** Most messages and bytes of one command. */
const messagesMax = 500
const bytesMax = 1_000_000
/** Most bytes that Redis has not answered; beyond it messages are dropped. */
const unansweredBytesMax = 16_000_000

/** Many messages in one command: a command costs ioredis 10 µs of CPU, a further message of this
 * one 2 (2026-11-23). */
const publishAll = `for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end`

interface Batch {
  readonly values: (string | Buffer)[]
  bytes: number
  readonly sent: Promise<unknown>
  readonly settle: (sent: Promise<unknown>) => void
}

/** Makes the publisher over a connection for commands. */
export function makePublisher(redis: Redis): Publisher {
  let batch: Batch | undefined
  let unansweredBytes = 0
  let hasLost = false

  const send = async ({ values, bytes }: Batch) => {
    unansweredBytes += bytes
    try {
      await redis.eval(publishAll, 0, ...values)
    } catch (error) {
      hasLost = true
      throw error
    } finally {
      unansweredBytes -= bytes
    }
  }

  const flush = () => {
    const full = batch
    batch = undefined
    full?.settle(send(full))
  }

  const begin = (): Batch => {
    const { promise: sent, resolve: settle } = withResolvers()
    queueMicrotask(() => {
      if (batch?.sent === sent) flush()
    })
    return { values: [], bytes: 0, sent, settle }
  }

  return {
    on: (event, listener) => redis.on(event, listener),
    publish(channel, bytes) {
      if (redis.status !== 'ready' || unansweredBytes > unansweredBytesMax) {
        hasLost = true
        return Promise.reject(new Error('Redis is away, or does not keep up'))
      }
      batch ??= begin()
      const { values, sent } = batch
      values.push(channel, bytes)
      batch.bytes += channel.length + bytes.length
      if (values.length >= messagesMax * 2 || batch.bytes >= bytesMax) flush()
      return sent
    },
    isFaithful: () => redis.status === 'ready' && !hasLost,
    forgive() {
      if (redis.status === 'ready' && unansweredBytes * 2 < unansweredBytesMax) hasLost = false
    },
  }
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers() {
  let resolve: (value: Promise<unknown>) => void = () => {}
  const promise = new Promise<unknown>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
