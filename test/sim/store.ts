// The store of a history: what is committed lives in memory and survives the process; the ports to
// it belong to one process, answer after as many turns as chance wants, fail, hang, and die with
// the process. Writes are carried out one after the other, as the writer of a store does; reads
// see what is committed when they are carried out.

import { StoreFailure } from '../../protocol/failure.ts'
import type {
  Cursor,
  CursorUpdate,
  DeviceState,
  DeviceStore,
  StoredDevice,
  Subscription,
} from '../../services/delivery/ports.ts'
import type { AppendOutcome, LogStore, NewMessage } from '../../services/log/ports.ts'
import { type MemoryStore, makeMemoryStore } from '../services/support/memory-store.ts'
import type { Random } from './random.ts'

/** Everything that is asked of the store. */
export type Ports = DeviceStore & MemoryStore

/** What is committed. */
export interface Memory {
  /** The ports without delay or failure. */
  readonly ports: Ports
  /** The cursor that a device would go on from; undefined when there is none. */
  cursorOf(user: string, device: string, conversation: string): Cursor | undefined
}

interface Device {
  subscriptions: readonly Subscription[]
  /** When it was last here, ms since the epoch. */
  lastSeen: number
  /** When its session ends while it is away. */
  endsAt?: number | undefined
  expiryMs?: number | undefined
  readonly cursors: Map<string, Cursor>
  /** Packet ids at QoS 2 that were not released, with what they brought. */
  readonly packets: Map<number, Brought>
}

interface Brought {
  readonly fingerprint: number | undefined
  outcome: AppendOutcome | undefined
}

/** Makes an empty store. */
export function makeMemory(): Memory {
  const store = makeMemoryStore()
  const devices = new Map<string, Device>()
  /** Cursors of conversations the user is a member of. Asked first, so that a write is one step. */
  const membersOnly = async <Kind extends Cursor>(user: string, cursors: readonly Kind[]) => {
    const found: Kind[] = []
    for (const cursor of cursors) {
      if ((await store.membership(cursor.conversation, user)) !== undefined) found.push(cursor)
    }
    return found
  }

  const deviceStore: DeviceStore = {
    async find(user, device): Promise<StoredDevice | undefined> {
      const known = devices.get(`${user}/${device}`)
      if (known === undefined) return undefined
      const { endsAt, expiryMs, subscriptions, cursors } = known
      const end = {
        ...(endsAt === undefined ? {} : { endsAt }),
        ...(expiryMs === undefined ? {} : { expiryMs }),
      }
      return { ...end, subscriptions, cursors: [...cursors.values()] }
    },
    async save(state: DeviceState) {
      const { user, device, expiryMs, subscriptions, cursors = [], dropped = [] } = state
      const { devicesMax = Number.POSITIVE_INFINITY } = state
      const allowed = await membersOnly(user, cursors)
      const key = `${user}/${device}`
      const others = [...devices.keys()].filter((other) => other.startsWith(`${user}/`)).length
      if (!devices.has(key) && others >= devicesMax) return false
      const known: Device = devices.get(key) ?? {
        subscriptions,
        lastSeen: Number.POSITIVE_INFINITY,
        cursors: new Map(),
        packets: new Map(),
      }
      known.subscriptions = subscriptions
      known.endsAt = undefined
      known.expiryMs = expiryMs
      for (const id of dropped) known.cursors.delete(id)
      for (const cursor of allowed) known.cursors.set(cursor.conversation, cursor)
      devices.set(key, known)
      return true
    },
    async forget(user, device) {
      devices.delete(`${user}/${device}`)
    },
    async saveLastSeen(names, at) {
      for (const { user, device } of names) {
        const known = devices.get(`${user}/${device}`)
        if (known !== undefined) known.lastSeen = at
      }
    },
    async endAt({ user, device }, at) {
      const known = devices.get(`${user}/${device}`)
      if (known !== undefined) known.endsAt = at
    },
    async expire(before, limit) {
      const isGone = ({ lastSeen, endsAt = Number.POSITIVE_INFINITY }: Device) =>
        lastSeen < before.lastSeen || endsAt < before.end
      const gone = [...devices].filter(([, device]) => isGone(device)).slice(0, limit)
      for (const [key] of gone) devices.delete(key)
      return gone.map(([key]) => {
        const [user = '', device = ''] = key.split('/')
        return { user, device }
      })
    },
    async saveCursors(updates) {
      const allowed: CursorUpdate[] = []
      for (const update of updates) allowed.push(...(await membersOnly(update.user, [update])))
      for (const update of allowed) {
        const known = devices.get(`${update.user}/${update.device}`)
        if (known !== undefined) raise(known, update)
      }
    },
  }

  return {
    ports: {
      ...store,
      ...deviceStore,
      ...makePackets(store, devices),
      async removeMember(group, user) {
        const outcome = await store.removeMember(group, user)
        if (outcome !== 'removed') return outcome
        for (const [key, { cursors }] of devices) {
          if (key.startsWith(`${user}/`)) cursors.delete(`g:${group}`)
        }
        return outcome
      },
    },
    cursorOf: (user, device, conversation) =>
      devices.get(`${user}/${device}`)?.cursors.get(conversation),
  }
}

/** The append with packet ids, in one step. */
function makePackets(
  store: MemoryStore,
  devices: ReadonlyMap<string, Device>,
): Pick<LogStore, 'append' | 'releasePackets' | 'unreleasedPackets'> {
  const packetsOf = (user: string, device: string) => devices.get(`${user}/${device}`)?.packets

  /** What the message repeats; undefined for a new one, whose packet id is taken. */
  const take = ({ from, packet }: NewMessage, brought: Brought): Brought | undefined => {
    const packets = packet && packetsOf(from, packet.device)
    const taken = packet && packets?.get(packet.packetId)
    if (taken && (packet.isRepeat || taken.fingerprint === packet.fingerprint)) return taken
    if (packet) packets?.set(packet.packetId, brought)
    return undefined
  }

  return {
    async append(batch, at) {
      const fresh: NewMessage[] = []
      const all = batch.map((message) => {
        const brought: Brought = { fingerprint: message.packet?.fingerprint, outcome: undefined }
        const repeated = take(message, brought)
        if (repeated === undefined) fresh.push(message)
        return { brought: repeated ?? brought, isNew: repeated === undefined }
      })
      const outcomes = [...(await store.append(fresh, at))]
      return all.map(({ brought, isNew }) => {
        if (isNew) brought.outcome = outcomes.shift()
        const outcome = brought.outcome as AppendOutcome
        return isNew ? outcome : { ...outcome, kind: 'duplicate' }
      })
    },
    async releasePackets(released) {
      for (const { user, device, packetId } of released) packetsOf(user, device)?.delete(packetId)
    },
    unreleasedPackets: async (user, device) => [...(packetsOf(user, device)?.keys() ?? [])],
  }
}

function raise({ cursors }: Device, { conversation, acked, sent }: CursorUpdate): void {
  if (acked > sent) throw new Error(`a cursor with acked ${acked} > sent ${sent}`)
  const before = cursors.get(conversation)
  cursors.set(conversation, {
    conversation,
    acked: Math.max(before?.acked ?? 0, acked),
    sent: Math.max(before?.sent ?? 0, sent),
  })
}

/** How the store behaves now, in percent of its calls. */
export interface Mood {
  readonly delayed: number
  readonly failing: number
}

export const calm: Mood = { delayed: 0, failing: 0 }

/** The store as one process sees it. */
export interface StoreClient {
  readonly ports: Ports
  mood: Mood
  /** Lets one of the calls that wait go on; false when none waits. */
  proceed(): boolean
  /** The process is dead: its calls never end, and what was not carried out never is. */
  die(): void
}

const readNames = /^(find|read|heads|member|user|password|unreleased)/

/** Opens the memory for a process. */
export function openStore(ports: Ports, random: Random): StoreClient {
  const waiting: (() => void)[] = []
  let isDead = false
  let written: Promise<unknown> = Promise.resolve()

  const pause = (): Promise<void> => {
    if (isDead) return new Promise(() => {})
    if (!random.chance(client.mood.delayed)) return Promise.resolve()
    return new Promise((resolve) => waiting.push(resolve))
  }

  const carryOut = async (name: string, work: () => unknown): Promise<unknown> => {
    await pause()
    if (isDead) return new Promise(() => {})
    if (random.chance(client.mood.failing)) throw new StoreFailure(`the history fails ${name}`)
    return work()
  }

  const call = async (name: string, work: () => unknown): Promise<unknown> => {
    const isRead = readNames.test(name)
    const before = isRead ? undefined : written
    const done = before ? before.then(() => carryOut(name, work)) : carryOut(name, work)
    if (!isRead) written = done.catch(() => {})
    const result = await done
    // The answer may be old when it comes.
    await pause()
    return isDead ? new Promise(() => {}) : result
  }

  const client: StoreClient = {
    ports: paced(ports, call),
    mood: calm,
    proceed() {
      const [next] = waiting.splice(random.below(waiting.length), 1)
      next?.()
      return next !== undefined
    },
    die() {
      isDead = true
      for (const proceed of waiting.splice(0)) proceed()
    },
  }
  return client
}

/** The same ports, each call of which goes through `call`. */
function paced(ports: Ports, call: (name: string, work: () => unknown) => unknown): Ports {
  const methods = Object.entries(ports) as [string, (...values: unknown[]) => unknown][]
  return Object.fromEntries(
    methods.map(([name, method]) => [
      name,
      (...values: unknown[]) => call(name, () => method(...values)),
    ]),
  ) as unknown as Ports
}
