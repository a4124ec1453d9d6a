// An engine over the memory ports, and devices that connect to it, for the tests of delivery.

import type { Logger } from '../../../../protocol/logger.ts'
import type { Engine, EngineOptions } from '../../../../services/delivery/engine.ts'
import { makeEngine } from '../../../../services/delivery/engine.ts'
import { until } from '../../../support/until.ts'
import { type FakeLink, makeLink } from './fake-link.ts'
import { type Memory, makeMemory, portsOf } from './memory-ports.ts'

export interface Connected {
  readonly link: FakeLink
  readonly present: boolean
}

interface ConnectOptions {
  readonly durable?: boolean
  readonly clean?: boolean
  readonly expiryMs?: number
  readonly filters?: readonly string[]
  readonly qos?: 0 | 1 | 2
  readonly link?: FakeLink
}

export interface World {
  readonly memory: Memory
  readonly engine: Engine
  readonly warnings: string[]
  /** Moves the clock, ms. */
  pass(ms: number): void
  /** Stores an entry and announces it. */
  publish(conversation: string, count?: number): void
  /** Connects `user/device`, starts the session and subscribes. */
  connect(name: string, options?: ConnectOptions): Promise<Connected>
  disconnect(link: FakeLink): Promise<void>
}

/** Never by itself: tests flush by disconnecting. */
export const never = 1_000_000_000

export function makeWorld(
  t: { teardown(work: () => Promise<void>): void },
  options: Partial<EngineOptions> = {},
): World {
  const memory = makeMemory()
  const warnings: string[] = []
  const world = { now: 0 }
  const ports = portsOf(memory)
  const expire = () => ports.devices.expire({ lastSeen: -never, end: world.now }, 1000)
  const engine = makeEngine(
    {
      ...ports,
      logger: makeQuietLogger(warnings),
      clock: () => world.now,
      wantsRoom: () => void expire(),
    },
    {
      windowEntriesMax: 16,
      windowBytesMax: 10_000,
      cursorFlushMs: never,
      sessionExpirySeconds: never,
      devicesPerUserMax: 100,
      ...options,
    },
  )
  t.teardown(() => engine.close())
  return {
    memory,
    engine,
    warnings,
    pass(ms) {
      world.now += ms
    },
    publish(conversation, count = 1) {
      for (let i = 0; i < count; i++) engine.announce(memory.append(conversation))
    },
    async connect(name, options = {}) {
      const { durable = true, clean = !durable, expiryMs } = options
      const { filters = [], qos = 1, link = makeLink() } = options
      const [user = '', device = ''] = name.split('/')
      const { session, present } = await engine.attach({
        ...{ user, device, durable, clean, expiryMs },
        link,
      })
      link.session = session
      session.start()
      const requests = filters.map((filter) => ({ filter, qos }))
      if (filters.length > 0) await engine.subscribe(session, requests)
      return { link, present }
    },
    async disconnect(link) {
      if (link.session) await engine.detach(link.session)
    },
  }
}

export function makeQuietLogger(warnings: string[] = []): Logger {
  const keep = (_: object, message: string) => void warnings.push(message)
  return { debug: () => {}, info: () => {}, warn: keep, error: keep }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits until so many entries were delivered. */
export function deliveredTo(link: FakeLink, count: number): Promise<void> {
  return until(`${count} deliveries`, () => link.delivered.length >= count, 1000)
}
