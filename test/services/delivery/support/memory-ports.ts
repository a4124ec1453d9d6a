// The ports of the delivery engine in Maps, with a pace: each call waits for `pace` before it does
// its work, so that a test decides how calls overlap. Faults can be planted.

import type { Conversation, Entry } from '../../../../protocol/entry.ts'
import { StoreFailure } from '../../../../protocol/failure.ts'
import { directConversation, groupConversation } from '../../../../protocol/ids.ts'
import type { ConversationStore, Membership } from '../../../../services/conversations/ports.ts'
import type { EngineParts } from '../../../../services/delivery/engine.ts'
import type {
  Cursor,
  CursorUpdate,
  DeviceName,
  DeviceState,
  DeviceStore,
  Expiry,
  Subscription,
} from '../../../../services/delivery/ports.ts'
import type { LogStore } from '../../../../services/log/ports.ts'

type PortName =
  | 'read'
  | 'heads'
  | 'membership'
  | 'membershipsOf'
  | 'find'
  | 'save'
  | 'saveLastSeen'
  | 'saveCursors'

interface Room {
  readonly conversation: Conversation
  readonly members: Map<string, number>
  readonly entries: Entry[]
}

interface Device {
  subscriptions: readonly Subscription[]
  readonly cursors: Map<string, Cursor>
  lastSeen: number
  endsAt?: number | undefined
  expiryMs?: number | undefined
}

export interface Memory {
  readonly rooms: Map<string, Room>
  readonly devices: Map<string, Device>
  /** Awaited at the start of each call. */
  pace: (port: PortName) => Promise<void>
  /** Awaited when the answer is known already: it may be old when it comes. */
  delay: (port: PortName) => Promise<void>
  /** So many of the next calls of the port fail with `StoreFailure`. */
  readonly failures: Map<PortName, number>
  /** How often each port was called. */
  readonly calls: Map<PortName, number>
  /** Changes what a read returns: a fault. */
  spoilRead: (entries: readonly Entry[]) => readonly Entry[]
  group(group: string, ...users: string[]): string
  direct(a: string, b: string): string
  /** Stores the next entry of a conversation. */
  append(conversation: string, from?: string): Entry
  head(conversation: string): number
  join(conversation: string, user: string): void
  leave(conversation: string, user: string): void
  acked(user: string, device: string, conversation: string): number | undefined
}

export function makeMemory(): Memory {
  const rooms = new Map<string, Room>()
  const devices = new Map<string, Device>()
  const roomOf = (id: string): Room => {
    const room = rooms.get(id)
    if (room === undefined) throw new Error(`no conversation ${id}`)
    return room
  }
  return {
    rooms,
    devices,
    pace: async () => {},
    delay: async () => {},
    failures: new Map(),
    calls: new Map(),
    spoilRead: (entries) => entries,
    group(group, ...users) {
      const id = groupConversation(group)
      const members = new Map(users.map((user) => [user, 0]))
      rooms.set(id, {
        conversation: { kind: 'group', id, group, title: group.toUpperCase() },
        members,
        entries: [],
      })
      return id
    },
    direct(a, b) {
      const id = directConversation(a, b)
      const users = (a < b ? [a, b] : [b, a]) as [string, string]
      const members = new Map(users.map((user) => [user, 0]))
      rooms.set(id, { conversation: { kind: 'direct', id, users }, members, entries: [] })
      return id
    },
    append(conversation, from = 'sender') {
      const { entries } = roomOf(conversation)
      const seq = entries.length + 1
      const body = { kind: 'text', messageId: undefined, fields: `"text":"${seq}"` }
      const entry: Entry = { conversation, from, body, seq, at: seq }
      entries.push(entry)
      return entry
    },
    head: (conversation) => roomOf(conversation).entries.length,
    join(conversation, user) {
      const { members, entries } = roomOf(conversation)
      if (!members.has(user)) members.set(user, entries.length)
    },
    leave(conversation, user) {
      roomOf(conversation).members.delete(user)
      for (const [key, { cursors }] of devices) {
        if (key.startsWith(`${user}/`)) cursors.delete(conversation)
      }
    },
    acked: (user, device, conversation) =>
      devices.get(`${user}/${device}`)?.cursors.get(conversation)?.acked,
  }
}

/** The ports over the memory. */
export function portsOf(memory: Memory): Pick<EngineParts, 'devices' | 'conversations' | 'log'> {
  const call = async <Result>(port: PortName, work: () => Result): Promise<Result> => {
    memory.calls.set(port, (memory.calls.get(port) ?? 0) + 1)
    await memory.pace(port)
    const failures = memory.failures.get(port) ?? 0
    if (failures > 0) {
      memory.failures.set(port, failures - 1)
      throw new StoreFailure(`the test fails ${port}`)
    }
    const result = work()
    await memory.delay(port)
    return result
  }
  return {
    devices: devicePort(memory, call),
    conversations: conversationPort(memory, call),
    log: {
      read: (conversation, range) => call('read', () => readLog(memory, conversation, range)),
      heads: (ids) =>
        call('heads', () => ids.map((id) => memory.rooms.get(id)?.entries.length ?? 0)),
    },
  }
}

type Call = <Result>(port: PortName, work: () => Result) => Promise<Result>

const readLog = (memory: Memory, conversation: string, range: Parameters<LogStore['read']>[1]) => {
  const { after = 0, limit } = range
  const entries = memory.rooms.get(conversation)?.entries ?? []
  return memory.spoilRead(entries.slice(after, after + limit))
}

function devicePort({ rooms, devices }: Memory, call: Call): DeviceStore {
  const mayHold = (user: string, conversation: string) =>
    rooms.get(conversation)?.members.has(user) === true
  const save = ({
    user,
    device,
    expiryMs,
    subscriptions,
    cursors = [],
    dropped = [],
    devicesMax = Number.POSITIVE_INFINITY,
  }: DeviceState) => {
    const key = `${user}/${device}`
    const others = [...devices.keys()].filter((other) => other.startsWith(`${user}/`)).length
    if (!devices.has(key) && others >= devicesMax) return false
    const known: Device = devices.get(key) ?? {
      subscriptions,
      cursors: new Map(),
      lastSeen: Number.POSITIVE_INFINITY,
    }
    known.subscriptions = subscriptions
    known.endsAt = undefined
    known.expiryMs = expiryMs
    for (const id of dropped) known.cursors.delete(id)
    for (const cursor of cursors) {
      if (mayHold(user, cursor.conversation)) known.cursors.set(cursor.conversation, cursor)
    }
    devices.set(key, known)
    return true
  }
  const raise = ({ user, device, conversation, acked, sent }: CursorUpdate) => {
    if (acked > sent) throw new Error(`a cursor with acked ${acked} > sent ${sent}`)
    const known = devices.get(`${user}/${device}`)
    if (known === undefined || !mayHold(user, conversation)) return
    const before = known.cursors.get(conversation)
    known.cursors.set(conversation, {
      conversation,
      acked: Math.max(before?.acked ?? 0, acked),
      sent: Math.max(before?.sent ?? 0, sent),
    })
  }
  const see = (names: readonly DeviceName[], at: number) => {
    for (const { user, device } of names) {
      const known = devices.get(`${user}/${device}`)
      if (known) known.lastSeen = at
    }
  }
  const expire = (before: Expiry, limit: number) => {
    const isGone = ({ lastSeen, endsAt = Number.POSITIVE_INFINITY }: Device) =>
      lastSeen < before.lastSeen || endsAt < before.end
    const gone = [...devices].filter(([, device]) => isGone(device)).slice(0, limit)
    for (const [key] of gone) devices.delete(key)
    return gone.map(([key]) => {
      const [user = '', device = ''] = key.split('/')
      return { user, device }
    })
  }
  return {
    find: (user, device) =>
      call('find', () => {
        const known = devices.get(`${user}/${device}`)
        if (known === undefined) return undefined
        const { endsAt, expiryMs, subscriptions, cursors } = known
        const end = {
          ...(endsAt === undefined ? {} : { endsAt }),
          ...(expiryMs === undefined ? {} : { expiryMs }),
        }
        return { ...end, subscriptions, cursors: [...cursors.values()] }
      }),
    save: (state) => call('save', () => save(state)),
    forget: (user, device) => call('save', () => void devices.delete(`${user}/${device}`)),
    saveLastSeen: (names, at) => call('saveLastSeen', () => see(names, at)),
    endAt: ({ user, device }, at) =>
      call('save', () => {
        const known = devices.get(`${user}/${device}`)
        if (known !== undefined) known.endsAt = at
      }),
    expire: (before, limit) => call('saveLastSeen', () => expire(before, limit)),
    saveCursors: (updates) => call('saveCursors', () => updates.forEach(raise)),
  }
}

function conversationPort({ rooms }: Memory, call: Call): ConversationStore {
  const membershipOf = (id: string, user: string): Membership | undefined => {
    const room = rooms.get(id)
    const joinedSeq = room?.members.get(user)
    if (room === undefined || joinedSeq === undefined) return undefined
    const { conversation, entries } = room
    return {
      conversation,
      role: 'member',
      joinedSeq,
      head: entries.length,
      members: room.members.size,
      delivered: 0,
      read: 0,
      mutedUntil: 0,
      hidesReads: false,
    }
  }
  const unused = () => Promise.reject(new Error('the engine does not need this'))
  return {
    createGroup: unused,
    addMember: unused,
    removeMember: unused,
    renameGroup: unused,
    mute: unused,
    ensureDirect: unused,
    membersOf: unused,
    membership: (id, user) => call('membership', () => membershipOf(id, user)),
    membershipsOf: (user) =>
      call('membershipsOf', () =>
        [...rooms.keys()].sort().flatMap((id) => membershipOf(id, user) ?? []),
      ),
  }
}
