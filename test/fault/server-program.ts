// The server as a process of its own, for tests that harm it: killed, stopped, its standard error
// read line by line. Every process ends with the test that started it.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { directConversation } from '../../protocol/ids.ts'
import { adminToken } from '../support/server.ts'
import { until } from '../support/until.ts'
import type { SeenEntry } from './checker.ts'

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

/** A run of `parley serve`. */
export interface ServeProcess {
  readonly pid: number
  /** The lines it wrote so far. */
  readonly output: readonly string[]
  readonly errors: readonly string[]
  /** Exit code, or the signal that ended it; undefined while it runs. */
  ending(): number | NodeJS.Signals | undefined
  /** Sends the signal, and resolves with the ending. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

/** Starts `parley serve` on free ports with a data folder, and waits for nothing. */
export function spawnServe(t: Owner, data: string, flags: readonly string[] = []): ServeProcess {
  const main = new URL('../../cli/main.js', import.meta.url).pathname
  const words = ['serve', '--data', data, '--mqtt-port', '0', '--http-port', '0', ...flags]
  const child = spawn(process.execPath, [main, ...words], {
    env: { PATH: process.env.PATH, PARLEY_ADMIN_TOKEN: adminToken },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  const ending = () => child.exitCode ?? child.signalCode ?? undefined
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await closed
    return ending() as number | NodeJS.Signals
  }
  t.teardown(async () => void (await end('SIGKILL')))
  return {
    pid: child.pid ?? 0,
    output: linesOf(child, 'stdout'),
    errors: linesOf(child, 'stderr'),
    ending,
    end,
  }
}

function linesOf(child: ChildProcess, name: 'stdout' | 'stderr'): readonly string[] {
  const lines: string[] = []
  const input = child[name]
  if (input === null) throw new Error(`the server has no ${name}`)
  createInterface({ input }).on('line', (line) => lines.push(line))
  return lines
}

/** Runs `parley serve` where it is expected to give up, and resolves with how it ended. */
export async function serveInVain(
  t: Owner,
  data: string,
  flags: readonly string[] = [],
): Promise<ServeProcess> {
  const server = spawnServe(t, data, flags)
  await until('the server gives up', () => server.ending() !== undefined)
  await server.end('SIGKILL')
  return server
}

/** A server's HTTP API, as far as fault tests need it. */
export interface Api {
  /** An HTTP request; JSON both ways. */
  request(
    path: string,
    options?: { readonly token?: string; readonly body?: object },
  ): Promise<{ readonly status: number; readonly json: unknown }>
  /** Makes a user, and a token for it. */
  token(user: string): Promise<string>
  addGroup(group: string, members: readonly string[]): Promise<void>
}

/** A server that listens. */
export interface ServerProgram extends ServeProcess, Api {
  readonly mqttPort: number
  readonly httpPort: number
}

/** Starts the server and resolves when it listens. */
export async function startServer(
  t: Owner,
  data: string,
  flags: readonly string[] = [],
): Promise<ServerProgram> {
  const server = spawnServe(t, data, flags)
  const portOf = (scheme: string) => {
    const pattern = new RegExp(`^listening ${scheme}://[^ ]*:(\\d+)`)
    const line = server.output.find((it) => pattern.test(it))
    return Number(line === undefined ? 0 : pattern.exec(line)?.[1])
  }
  await until('the server listens', () => {
    if (server.ending() !== undefined) throw new Error(server.errors.join('\n'))
    return portOf('mqtt') > 0 && portOf('http') > 0
  })
  const ports = { mqttPort: portOf('mqtt'), httpPort: portOf('http') }
  return { ...server, ...ports, ...makeApi(ports.httpPort, () => describe(server)) }
}

function describe({ ending, errors }: ServeProcess): string {
  return `ending: ${ending()}; log:\n${errors.slice(-20).join('\n')}`
}

/** The API at a port of this machine. `state` is what to say of the server when there is no
 * answer: what a fetch says of it is too little to find a crash by. */
export function makeApi(port: number, state: () => string): Api {
  const explain = (error: Error): never => {
    throw new Error(`no answer; ${state()}`, { cause: error })
  }
  const request: Api['request'] = async (path, { token, body } = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        // A connection of its own: an idle one may be closed just as it is used again.
        connection: 'close',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(explain)
    return { status: response.status, json: await response.json() }
  }
  const administer = async (path: string, body: object) => {
    const { status, json } = await request(`/v1/admin/${path}`, { token: adminToken, body })
    if (status !== 201 && status !== 409) throw new Error(JSON.stringify(json))
    return json as Record<string, string>
  }
  return {
    request,
    async token(user: string) {
      await administer('users', { user })
      return (await administer('tokens', { user })).token as string
    },
    async addGroup(group: string, members: readonly string[]) {
      await administer('groups', { group, members })
    },
  }
}

/** The conversation a topic addresses when this user publishes to it. */
export function conversationOf(user: string, topic: string): string {
  const [root, name = ''] = topic.split('/')
  return root === 'g' ? `g:${name}` : directConversation(user, name)
}

/** An entry from its envelope. */
export function entryOf(envelope: Omit<SeenEntry, 'json'>): SeenEntry {
  const { conversation, seq, from, id, text } = envelope
  return { conversation, seq, from, id, text, json: JSON.stringify(envelope) }
}

/** A conversation from its beginning to its end, over HTTP. */
export async function readHistory(
  server: Pick<Api, 'request'>,
  token: string,
  conversation: string,
): Promise<readonly SeenEntry[]> {
  const entries: SeenEntry[] = []
  let after: number | null = 0
  while (after !== null) {
    const path: string = `/v1/conversations/${conversation}/messages?limit=200&after=${after}`
    const { status, json } = await server.request(path, { token })
    if (status === 404) return []
    if (status !== 200) throw new Error(JSON.stringify(json))
    const page = json as { messages: SeenEntry[]; next: number | null }
    entries.push(...page.messages.map(entryOf))
    after = page.next
  }
  return entries
}
