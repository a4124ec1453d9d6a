// The program behind the contenders `aedes` and `aedes-redis`: `aedes-server.js <port> [redis
// port]`, a bare broker that lets everybody in.

import type { EventEmitter } from 'node:events'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import makeRedisPersistence from 'aedes-persistence-redis'
import { Redis } from 'ioredis'
import makeRedisEmitter from 'mqemitter-redis'

const [port = 0, redisPort] = process.argv.slice(2).map(Number)

/** Connections of our own: those the two packages make by themselves fail with ioredis 5. */
function redisParts(redisPort: number) {
  const open = (options = {}): Redis => {
    const connection = new Redis({ host: '127.0.0.1', port: redisPort, ...options })
    connection.on('error', (error) => console.error(`redis: ${error.message}`))
    return connection
  }
  const mq = makeRedisEmitter({
    // "Connection in subscriber mode" otherwise.
    subConn: open({ enableReadyCheck: false }),
    pubConn: open(),
  })
  // The types leave out the emitter of its failures, which end the process if nobody listens.
  const { state } = mq as typeof mq & { readonly state: EventEmitter }
  state.on('error', (error: Error) => console.error(`redis: ${error.message}`))
  return { mq, persistence: makeRedisPersistence({ conn: open() }) }
}

const aedes = await Aedes.createBroker(redisPort === undefined ? {} : redisParts(redisPort))
const server = createServer({ noDelay: true }, aedes.handle)
server.listen({ host: '127.0.0.1', port, backlog: 4096 })
await once(server, 'listening')
process.on('SIGTERM', () => process.exit())
