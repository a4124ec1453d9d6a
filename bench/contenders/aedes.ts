// aedes by itself: in memory, and with Redis for persistence and between brokers.

import { fileURLToPath } from 'node:url'
import type { Contender } from './contender.ts'
import { startRedis } from './engines.ts'
import { type Child, findProgram, freePort, isListening, startProgram } from './processes.ts'

const program = fileURLToPath(new URL('./aedes-server.js', import.meta.url))

async function startAedes(redisPort?: string): Promise<{ child: Child; address: string }> {
  const port = await freePort()
  const words = [program, String(port), ...(redisPort === undefined ? [] : [redisPort])]
  const child = startProgram(process.execPath, words)
  await child.until(() => isListening(port))
  return { child, address: `127.0.0.1:${port}` }
}

export const aedesInMemory: Contender = {
  name: 'aedes',
  title: 'bare aedes, in memory',
  groupFilter: 'g/g{i}/msg',
  missing: () => undefined,
  async start() {
    const { child, address } = await startAedes()
    return {
      address,
      parts: [{ name: 'aedes', pid: child.pid }],
      usersFile: undefined,
      died: child.died,
      stop: child.stop,
    }
  },
}

export const aedesWithRedis: Contender = {
  name: 'aedes-redis',
  title: 'bare aedes, with Redis (which stores after the PUBACK, and does not fsync)',
  groupFilter: 'g/g{i}/msg',
  missing: () => (findProgram('redis-server') === undefined ? 'it has no redis-server' : undefined),
  async start(_population, folder) {
    const redis = await startRedis(folder, false)
    try {
      const { child, address } = await startAedes(new URL(redis.url).port)
      return {
        address,
        parts: [
          { name: 'aedes', pid: child.pid },
          { name: 'redis-server', pid: redis.pid },
        ],
        usersFile: undefined,
        died: AbortSignal.any([child.died, redis.died]),
        async stop() {
          await child.stop()
          await redis.stop()
        },
      }
    } catch (error) {
      await redis.stop()
      throw error
    }
  },
}
