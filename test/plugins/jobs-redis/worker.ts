// A process of its own that does the jobs of a Redis, and prints `<id of the process> <payload>`
// when one begins. A job with the payload "hang" never ends. Killed by its parent.

import { Redis } from 'ioredis'
import { makeRedisJobs } from '../../../plugins/jobs-redis/jobs-redis.ts'

const [url, leaseMs] = process.argv.slice(2)
if (url === undefined) throw new Error('usage: worker.js <url> <lease in ms>')
const redis = new Redis(url, { maxRetriesPerRequest: null })
redis.on('error', () => {})
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const jobs = makeRedisJobs({ redis, clock: Date.now, logger: silent }, { leaseMs: Number(leaseMs) })
jobs.handle(
  'mail',
  async (payload) => {
    process.stdout.write(`${process.pid} ${JSON.stringify(payload)}\n`)
    if (payload === 'hang') await new Promise(() => {})
    await new Promise((resolve) => setTimeout(resolve, 20))
  },
  { concurrency: 2, timeoutMs: 60_000 },
)
