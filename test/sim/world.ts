// The world of a history: the store, the processes of the server over it, the devices with the
// network between, and the checker that watches. It can do things; what and when, the history says.

import { noAddressLimits } from '../support/no-address-limits.ts'
import type { DeliveryChecker } from './delivery-checker.ts'
import { makeDeliveryChecker } from './delivery-checker.ts'
import { Device } from './device.ts'
import type { LogChecker } from './log-checker.ts'
import { makeLogChecker } from './log-checker.ts'
import type { Network } from './network.ts'
import { makeNetwork } from './network.ts'
import { observe } from './observed.ts'
import type { Processes } from './processes.ts'
import { makeProcesses } from './processes.ts'
import type { Random } from './random.ts'
import type { ServerOptions } from './server.ts'
import type { Ports } from './store.ts'
import { makeMemory } from './store.ts'
import type { Speaker } from './talk.ts'
import { makeSpeaker } from './talk.ts'
import type { Theme } from './theme.ts'
import type { Timers } from './timers.ts'

/** A fault, to prove that the checker sees it. */
export interface Plant {
  /** Spoils what the server is told of the store. */
  readonly store?: (ports: Ports) => Ports
  /** Changes what the server is to keep to, and the checker does not know. */
  readonly options?: (options: ServerOptions) => ServerOptions
}

export interface WorldParts {
  readonly theme: Theme
  readonly random: Random
  readonly timers: Timers
  readonly plant: Plant
  readonly trace: (line: string) => void
  readonly report: (violation: string) => void
}

export interface World {
  readonly theme: Theme
  readonly random: Random
  readonly timers: Timers
  readonly options: ServerOptions
  readonly devices: readonly Device[]
  readonly network: Network
  readonly processes: Processes
  readonly deliveries: DeliveryChecker
  readonly speaker: Speaker
}

/** Who is in which group at first; the first one stays. */
export const groups = { club: ['ann', 'bob', 'cid'], town: ['bob', 'ann'] } as const
const users = ['ann', 'bob', 'cid']
/** What the server writes to a connection without asking whether it takes bytes: one message more
 * than fits, and answers. */
const overheadBytes = 600

export async function makeWorld(parts: WorldParts): Promise<World> {
  const { theme, random, timers, plant, report, trace } = parts
  const options = chooseOptions(random)
  const memory = makeMemory()
  const log = makeLogChecker(report)
  const deliveries = makeDeliveryChecker(report, {
    windowEntriesMax: options.engine.windowEntriesMax,
    isDupCertain: theme.name === 'normal',
  })
  const leaving = new Set<string>()
  const ports = observe(memory.ports, memory, {
    log,
    deliveries,
    report,
    trace,
    batchMax: options.log.batchMax,
    facts: (name) => devices.find(({ facts }) => facts.name === name)?.facts,
    removed(user, conversation) {
      log.mayBeRefused(user, conversation)
      deliveries.leaving(user, conversation)
      // Of a process that has died since, nobody will hear.
      if (processes.isChanging(user)) leaving.add(`${user} ${conversation}`)
      else deliveries.left(user, conversation)
    },
  })
  const network = makeNetwork({
    random,
    report,
    unsentBytesMax: options.engine.windowBytesMax + overheadBytes,
  })
  const processes = makeProcesses({
    ...parts,
    ports: plant.store?.(ports) ?? ports,
    options: plant.options?.(options) ?? options,
    losesAnnouncements: theme.losesAnnouncements,
    announced: deliveries.announced,
    gone: network.orphanAll,
    removalEnded(user, conversation) {
      if (leaving.delete(`${user} ${conversation}`)) deliveries.left(user, conversation)
    },
  })
  const devices = makeDevices(parts, { log, deliveries, network, processes })
  await settleIn(ports)
  await processes.start()
  const speaker = makeSpeaker(random)
  return { theme, random, timers, options, devices, network, processes, deliveries, speaker }
}

/** Limits as narrow as they can be, so that small histories meet all of them. */
function chooseOptions(random: Random): ServerOptions {
  return {
    engine: {
      windowEntriesMax: random.choose(1, 2, 4, 16),
      windowBytesMax: random.choose(300, 700, 10_000),
      cursorFlushMs: 300,
      sessionExpirySeconds: 2_592_000,
      devicesPerUserMax: 100,
    },
    log: {
      queueMax: random.choose(2, 4, 100),
      queueBytesMax: random.choose(600, 100_000),
      batchMax: random.choose(1, 2, 8),
      gatherMs: random.choose(0, 3),
      waitMs: 2000,
    },
    limits: {
      payloadBytesMax: 1000,
      packetBytesMax: 4096,
      preConnectBytesMax: 1024,
      connectionsMax: 100,
      keepAliveSecondsMax: 0,
      sessionExpirySeconds: 1000,
      ...noAddressLimits,
      connectTimeoutMs: 3000,
      publishesInFlightMax: random.choose(1, 2, 8),
      topicAliasMax: 16,
      stalledTimeoutMs: 5000,
      windowBytesMax: 262_144,
    },
  }
}

function makeDevices(
  { random, trace, report }: WorldParts,
  parts: {
    readonly log: LogChecker
    readonly deliveries: DeliveryChecker
    readonly network: Network
    readonly processes: Processes
  },
): Device[] {
  const names = ['ann/phone', 'bob/phone', 'bob/laptop', 'cid/phone', 'cid/watch']
  return names.slice(0, 3 + random.below(3)).map((name) => {
    const user = name.split('/')[0] as string
    const facts = {
      user,
      name,
      qos: random.chance(80) ? (1 as const) : (0 as const),
      clean: random.chance(20),
    }
    return new Device({
      facts,
      keepalive: random.choose(0, 0, 3),
      random,
      log: parts.log,
      deliveries: parts.deliveries,
      trace,
      report,
      open(events) {
        const server = parts.processes.server()
        return server && parts.network.open(name, events, server)
      },
    })
  })
}

async function settleIn(ports: Ports): Promise<void> {
  for (const user of users) await ports.createUser(user, undefined)
  for (const [group, [owner, ...members]] of Object.entries(groups)) {
    await ports.createGroup({ group, title: group, owner, members })
  }
}
