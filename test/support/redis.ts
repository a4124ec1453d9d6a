// Redis and its Sentinels for a test: Debian's redis-server on a port and in a folder of its own.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type EngineProcess, freePort, type Owner, startEngine } from './engine-process.ts'
import { requireProgram } from './programs.ts'
import { temporaryFolder } from './server.ts'
import { until } from './until.ts'

export interface TestRedis extends EngineProcess {
  readonly url: string
  /** Forgets everything. */
  flush(): Promise<void>
  /** One command of words without spaces; the first line of the answer, as in `+PONG`. */
  command(...words: readonly string[]): Promise<string>
}

export interface RedisOptions {
  /** Whether a restart finds the data again: an append-only file, synced at every write. */
  readonly appendOnly?: boolean
  /** One that is free by default. */
  readonly port?: number
  /** More lines for redis.conf. */
  readonly configLines?: readonly string[]
}

/** Starts Redis. Skip the test by `requireProgram('redis-server').skip` where there is none. */
export async function startRedis(t: Owner, options: RedisOptions = {}): Promise<TestRedis> {
  const { appendOnly = false, configLines = [] } = options
  const port = options.port ?? (await freePort())
  const engine = await startRedisServer(t, port, {
    name: 'redis',
    isSentinel: false,
    lines: [
      `appendonly ${appendOnly ? 'yes' : 'no'}`,
      'appendfsync always',
      'save ""',
      ...configLines,
    ],
  })
  const command = (...words: readonly string[]) => askRedis(port, words)
  return {
    ...engine,
    url: `redis://127.0.0.1:${port}`,
    command,
    async flush() {
      const answer = await command('FLUSHALL')
      if (answer !== '+OK') throw new Error(answer)
    },
  }
}

/** Redis that follows `primary`, and takes its place when Sentinels say so. */
export function startReplica(t: Owner, primary: Pick<TestRedis, 'port'>): Promise<TestRedis> {
  const configLines = [`replicaof 127.0.0.1 ${primary.port}`, 'repl-diskless-sync-delay 0']
  return startRedis(t, { configLines })
}

export interface TestSentinels {
  readonly sentinels: readonly EngineProcess[]
  /** The name the primary goes by. */
  readonly name: string
  /** `redis+sentinel://host:port,…/name`. */
  readonly url: string
  /** The port of the primary they agree on now. */
  primaryPort(): Promise<number>
}

/** Three Sentinels that watch the primary, and replace it after a second without an answer by a
 * replica; they find those that are there within ten seconds. */
export async function startSentinels(
  t: Owner,
  primary: Pick<TestRedis, 'port'>,
): Promise<TestSentinels> {
  const name = 'parley'
  const lines = [
    `sentinel monitor ${name} 127.0.0.1 ${primary.port} 2`,
    `sentinel down-after-milliseconds ${name} 1000`,
    `sentinel failover-timeout ${name} 5000`,
  ]
  const sentinels: EngineProcess[] = []
  for (let count = 0; count < 3; count++) {
    const port = await freePort()
    sentinels.push(await startRedisServer(t, port, { name: 'sentinel', isSentinel: true, lines }))
  }
  for (const { port } of sentinels) {
    await until('the Sentinels have found each other', async () =>
      (await askRedis(port, ['SENTINEL', 'CKQUORUM', name])).startsWith('+OK 3'),
    )
  }
  const addresses = sentinels.map(({ port }) => `127.0.0.1:${port}`)
  return {
    sentinels,
    name,
    url: `redis+sentinel://${addresses.join()}/${name}`,
    async primaryPort() {
      const asked = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]
      const lines = await askRedisLines(sentinels[0]?.port ?? 0, asked, 5)
      return Number(lines[4])
    },
  }
}

interface ServerOptions {
  readonly name: string
  readonly isSentinel: boolean
  readonly lines: readonly string[]
}

function startRedisServer(t: Owner, port: number, { name, isSentinel, lines }: ServerOptions) {
  const { command } = requireProgram('redis-server')
  if (command === undefined) throw new Error('there is no redis-server')
  const folder = temporaryFolder(t)
  const file = join(folder, 'redis.conf')
  const common = [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, 'daemonize no']
  writeFileSync(file, `${[...common, ...lines].join('\n')}\n`)
  const args = isSentinel ? [file, '--sentinel'] : [file]
  const isReady = () => askRedis(port, ['PING']).then((it) => it === '+PONG', isNotYet)
  return startEngine(t, { name, command, args, port, isReady })
}

const isNotYet = () => false

async function askRedis(port: number, words: readonly string[]): Promise<string> {
  const [line = ''] = await askRedisLines(port, words, 1)
  return line
}

const answerMs = 5000

/** Sends one command on a connection of its own, and resolves with the lines of the answer. */
async function askRedisLines(port: number, words: readonly string[], count: number) {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.setTimeout(answerMs, () => socket.destroy(new Error('Redis does not answer')))
  try {
    await once(socket, 'connect')
    socket.write(`${words.join(' ')}\r\n`)
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      const lines = text.split('\r\n')
      if (lines.length > count || text.startsWith('-')) return lines
    }
    throw new Error('Redis closed the connection')
  } finally {
    socket.destroy()
  }
}
