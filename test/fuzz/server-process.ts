// The program of the server under the fuzzer: it starts, tells where it listens, and says how much
// memory it has left after a collection. Errors are logged to standard error, nothing else is.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { pino } from 'pino'
import { startTestServer } from '../support/server.ts'

/** What the server is started with. */
export interface Opening {
  readonly data: string
  /** Settings as flags by key. */
  readonly flags: Readonly<Record<string, string>>
  /** Users who get tokens. */
  readonly users: readonly string[]
  readonly groups: Readonly<Record<string, readonly string[]>>
}

export interface Memory {
  readonly heapBytes: number
  readonly rssBytes: number
  /** The longest that its event loop was busy with one thing since it was last asked, ms. */
  readonly lagMs: number
}

export type ServerMessage =
  | ({ readonly kind: 'memory' } & Memory)
  | {
      readonly kind: 'ready'
      readonly mqttPort: number
      readonly httpPort: number
      readonly tokens: Readonly<Record<string, string>>
    }

const opening = JSON.parse(process.argv[2] ?? '') as Opening
const logger = pino({ level: 'error' }, pino.destination({ dest: 2, sync: true }))
// It is killed: there is nothing to tear down.
const owner = { teardown: () => {} }
const server = await startTestServer(owner, { ...opening.flags, data: opening.data }, logger)
const tokens: Record<string, string> = {}
for (const user of opening.users) tokens[user] = await server.token(user)
for (const [group, members] of Object.entries(opening.groups)) await server.addGroup(group, members)

const say = (message: ServerMessage) => process.send?.(message)

const lag = monitorEventLoopDelay({ resolution: 5 })
lag.enable()

process.on('message', () => {
  const lagMs = lag.max / 1e6
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  say({ kind: 'memory', heapBytes: heapUsed + external, rssBytes: rss, lagMs })
  lag.reset()
})
process.on('disconnect', () => process.exit())
say({ kind: 'ready', mqttPort: server.mqttPort, httpPort: server.httpPort, tokens })
