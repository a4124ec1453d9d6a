// Toxiproxy for a test: TCP proxies that are slow, go silent, or cut connections, on command.

import { type EngineProcess, freePort, type Owner, startEngine } from './engine-process.ts'
import { requireProgram } from './programs.ts'

export interface TestProxy {
  readonly port: number
  /** Each piece of an answer comes this much later, give or take `jitterMs`; 0 ends it. */
  latency(ms: number, jitterMs?: number): Promise<void>
  /** Lets nothing through, and keeps the connections open, until `heal`. */
  silence(): Promise<void>
  /** Resets the connections that are open, and those to come, until `heal`. */
  reset(): Promise<void>
  /** Closes what is open, and refuses connections while it is off. */
  enabled(on: boolean): Promise<void>
  /** Ends all troubles. */
  heal(): Promise<void>
}

export interface TestToxiproxy extends EngineProcess {
  /** A proxy in front of a port of this machine. */
  proxy(name: string, port: number): Promise<TestProxy>
}

/** Starts Toxiproxy. Skip the test by `requireProgram('toxiproxy-server').skip`. */
export async function startToxiproxy(t: Owner): Promise<TestToxiproxy> {
  const { command } = requireProgram('toxiproxy-server')
  if (command === undefined) throw new Error('there is no toxiproxy-server')
  const port = await freePort()
  const ask = makeAsk(port)
  const engine = await startEngine(t, {
    name: 'toxiproxy',
    command,
    args: ['-host', '127.0.0.1', '-port', `${port}`],
    port,
    isReady: () =>
      ask('GET', '/version').then(
        () => true,
        () => false,
      ),
  })
  return {
    ...engine,
    async proxy(name, upstream) {
      const own = await freePort()
      const body = { name, listen: `127.0.0.1:${own}`, upstream: `127.0.0.1:${upstream}` }
      await ask('POST', '/proxies', { ...body, enabled: true })
      return makeProxy(ask, name, own)
    },
  }
}

type Ask = (method: string, path: string, body?: object) => Promise<void>

function makeAsk(port: number): Ask {
  return async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { connection: 'close', 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok && response.status !== 404) throw new Error(`${path}: ${text}`)
  }
}

function makeProxy(ask: Ask, proxyName: string, port: number): TestProxy {
  const path = `/proxies/${proxyName}`
  const kinds = ['latency', 'timeout', 'reset_peer'] as const
  /** Removes the toxic where it is (404 where it is not), and sets it anew. */
  const set = async (type: (typeof kinds)[number], attributes?: object) => {
    await ask('DELETE', `${path}/toxics/${type}`)
    if (attributes === undefined) return
    await ask('POST', `${path}/toxics`, { name: type, type, stream: 'downstream', attributes })
  }
  return {
    port,
    latency: (latency, jitter = 0) =>
      set('latency', latency === 0 ? undefined : { latency, jitter }),
    silence: () => set('timeout', { timeout: 0 }),
    reset: () => set('reset_peer', { timeout: 0 }),
    enabled: (enabled) => ask('POST', path, { enabled }),
    async heal() {
      for (const type of kinds) await set(type)
      await ask('POST', path, { enabled: true })
    },
  }
}
