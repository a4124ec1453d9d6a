// The stores in Maps: a small, honest implementation of the ports for tests of the services, where
// nothing needs to survive. `failing` makes every call fail as a store that is down does.

import type { Conversation, Entry } from '../../../protocol/entry.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { directConversation, groupConversation } from '../../../protocol/ids.ts'
import { countsAsUnread } from '../../../protocol/kinds.ts'
import type { UserSettings, UserStore } from '../../../services/auth/ports.ts'
import type {
  ConversationStore,
  Membership,
  NewGroup,
  Role,
} from '../../../services/conversations/ports.ts'
import type { AppendOutcome, LogStore, ReadRange } from '../../../services/log/ports.ts'
import type { ReceiptStore } from '../../../services/receipts/ports.ts'

interface Member {
  role: Role
  readonly joinedSeq: number
  delivered: number
  read: number
  mutedUntil: number
}

function newMember(role: Role, joinedSeq: number): Member {
  return { role, joinedSeq, delivered: 0, read: 0, mutedUntil: 0 }
}

/** Who has chosen what. */
type Choices = ReadonlyMap<string, UserSettings>

interface Room {
  conversation: Conversation
  readonly members: Map<string, Member>
  readonly entries: Entry[]
}

export interface MemoryStore extends UserStore, ConversationStore, LogStore {
  readonly receipts: ReceiptStore

  /** Gives a member a role; no port does yet. */
  setRole(group: string, user: string, role: Role): void
  /** Whether calls fail with `StoreFailure` from now on. */
  setFailing(isFailing: boolean): void
}

export function makeMemoryStore(): MemoryStore {
  const users = new Map<string, string | null>()
  const rooms = new Map<string, Room>()
  const choices = new Map<string, UserSettings>()
  let isFailing = false

  function check(): void {
    if (isFailing) throw new StoreFailure('the test turned the store off')
  }

  const userStore: UserStore = {
    async createUser(user, passwordHash) {
      check()
      if (users.has(user)) return 'exists'
      users.set(user, passwordHash ?? null)
      return 'created'
    },
    async passwordHash(user) {
      check()
      return users.get(user)
    },
    async userExists(user) {
      check()
      return users.has(user)
    },
    async settings(user) {
      check()
      return users.has(user) ? (choices.get(user) ?? { readReceipts: 'everyone' }) : undefined
    },
    async saveSettings(user, settings) {
      check()
      if (users.has(user)) choices.set(user, settings)
    },
  }
  return {
    ...userStore,
    ...conversationStore({ users, rooms, choices }, check),
    receipts: receiptStore({ rooms, choices }, check),
    ...logStore(rooms, check),
    setRole(group, user, role) {
      const member = rooms.get(groupConversation(group))?.members.get(user)
      if (member === undefined) throw new Error(`${user} is not a member of ${group}`)
      member.role = role
    },
    setFailing(value) {
      isFailing = value
    },
  }
}

interface Tables {
  readonly users: ReadonlyMap<string, unknown>
  readonly rooms: Map<string, Room>
  readonly choices: Choices
}

function conversationStore(
  { users, rooms, choices }: Tables,
  check: () => void,
): ConversationStore {
  return {
    ...groupStore(users, rooms, check),
    async ensureDirect(a, b) {
      check()
      if (!users.has(a) || !users.has(b)) return undefined
      const id = directConversation(a, b)
      const known = rooms.get(id)
      if (known !== undefined) return known.conversation
      const pair = a < b ? ([a, b] as const) : ([b, a] as const)
      const members = new Map(pair.map((user) => [user, newMember('member', 0)]))
      const conversation = { kind: 'direct', id, users: pair } as const
      rooms.set(id, { conversation, members, entries: [] })
      return conversation
    },
    async mute(conversation, user, until) {
      check()
      const member = rooms.get(conversation)?.members.get(user)
      if (member !== undefined) member.mutedUntil = until
      return member !== undefined
    },
    async membership(conversation, user) {
      check()
      const room = rooms.get(conversation)
      return room && membershipIn(room, user, choices)
    },
    async membershipsOf(user) {
      check()
      const ids = [...rooms.keys()].sort()
      return ids.flatMap((id) => membershipIn(rooms.get(id) as Room, user, choices) ?? [])
    },
    async membersOf(conversation, { limit, after }) {
      check()
      const members = [...(rooms.get(conversation)?.members ?? [])]
      return members
        .map(([user, { role }]) => ({ user, role }))
        .filter(({ user }) => after === undefined || user > after)
        .sort((a, b) => (a.user < b.user ? -1 : 1))
        .slice(0, limit)
    },
  }
}

type GroupStore = Pick<
  ConversationStore,
  'createGroup' | 'addMember' | 'removeMember' | 'renameGroup'
>

function groupStore(
  users: ReadonlyMap<string, unknown>,
  rooms: Map<string, Room>,
  check: () => void,
): GroupStore {
  return {
    async createGroup({ group, title, owner, members }: NewGroup) {
      check()
      const id = groupConversation(group)
      if (rooms.has(id)) return { kind: 'exists' }
      const all = [owner, ...members]
      const unknown = all.find((user) => !users.has(user))
      if (unknown !== undefined) return { kind: 'unknown-user', user: unknown }
      if (new Set(all).size !== all.length) throw new Error('a member was named twice')
      const room: Room = {
        conversation: { kind: 'group', id, group, title },
        members: new Map(),
        entries: [],
      }
      for (const user of all) {
        room.members.set(user, newMember(user === owner ? 'owner' : 'member', 0))
      }
      rooms.set(id, room)
      return { kind: 'created' }
    },
    async addMember(group, user) {
      check()
      const room = rooms.get(groupConversation(group))
      if (room === undefined) return 'unknown-group'
      if (!users.has(user)) return 'unknown-user'
      if (room.members.has(user)) return 'already'
      room.members.set(user, newMember('member', room.entries.length))
      return 'added'
    },
    async removeMember(group, user) {
      check()
      const members = rooms.get(groupConversation(group))?.members
      if (!members?.has(user)) return 'not-a-member'
      const others = [...members].filter(([name]) => name !== user)
      const isLastOwner = !others.some(([, { role }]) => role === 'owner')
      if (others.length > 0 && isLastOwner) return 'last-owner'
      members.delete(user)
      return 'removed'
    },
    async renameGroup(group, title) {
      check()
      const room = rooms.get(groupConversation(group))
      if (room?.conversation.kind !== 'group') return false
      room.conversation = { ...room.conversation, title }
      return true
    },
  }
}

function membershipIn(room: Room, user: string, choices: Choices): Membership | undefined {
  const member = room.members.get(user)
  return (
    member && {
      conversation: room.conversation,
      ...member,
      head: room.entries.length,
      members: room.members.size,
      hidesReads: hides(choices, user),
    }
  )
}

function hides(choices: Choices, user: string): boolean {
  return choices.get(user)?.readReceipts === 'nobody'
}

/** Devices are not kept here: none is known, and none has missed anything. */
function receiptStore(
  { rooms, choices }: Pick<Tables, 'rooms' | 'choices'>,
  check: () => void,
): ReceiptStore {
  const visible = (user: string, member: Member) => {
    const read = hides(choices, user) ? 0 : member.read
    return { user, delivered: Math.max(member.delivered, read), read }
  }
  return {
    async raise(marks) {
      check()
      for (const { conversation, user, joinedSeq, delivered, read } of marks) {
        const member = rooms.get(conversation)?.members.get(user)
        if (member?.joinedSeq !== joinedSeq) continue
        const shown = hides(choices, user) ? 0 : read
        member.delivered = Math.max(member.delivered, delivered, shown)
        member.read = Math.max(member.read, read)
      }
    },
    async count({ conversation, user, after, through }) {
      check()
      const entries = rooms.get(conversation)?.entries.slice(after, through) ?? []
      return entries.filter(({ from, body }) => from !== user && countsAsUnread(body.kind)).length
    },
    async marksOf(conversation, limit) {
      check()
      const members = [...(rooms.get(conversation)?.members ?? [])]
      const marks = members.map(([user, member]) => visible(user, member))
      return marks.sort((a, b) => (a.user < b.user ? -1 : 1)).slice(0, limit)
    },
    async tally({ conversation, user, seq }) {
      check()
      const others = [...(rooms.get(conversation)?.members ?? [])]
        .filter(([name, { joinedSeq }]) => name !== user && joinedSeq < seq)
        .map(([name, member]) => visible(name, member))
      const delivered = others.filter((other) => other.delivered >= seq).length
      const read = others.filter((other) => other.read >= seq).length
      return { members: others.length, delivered, read }
    },
    async changedFor() {
      check()
      return []
    },
    async devicesIn() {
      check()
      return []
    },
  }
}

function logStore(rooms: ReadonlyMap<string, Room>, check: () => void): LogStore {
  return {
    async append(batch, at) {
      check()
      if (!batch.every(({ conversation }) => rooms.has(conversation))) {
        throw new Error('a conversation does not exist')
      }
      return batch.map((entry): AppendOutcome => {
        const { entries } = rooms.get(entry.conversation) as Room
        const { messageId } = entry.body
        const known = entries.find(
          ({ from, body }) =>
            messageId !== undefined && from === entry.from && body.messageId === messageId,
        )
        if (known !== undefined) return { kind: 'duplicate', seq: known.seq, at: known.at }
        const seq = entries.length + 1
        entries.push({ ...entry, seq, at })
        return { kind: 'appended', seq, at }
      })
    },
    // Nobody publishes at QoS 2 to a service.
    releasePackets: async () => {},
    unreleasedPackets: async () => [],
    async read(conversation, range) {
      check()
      return readRange(rooms.get(conversation)?.entries ?? [], range)
    },
    async heads(conversations) {
      check()
      return conversations.map((id) => rooms.get(id)?.entries.length ?? 0)
    },
  }
}

function readRange(entries: readonly Entry[], range: ReadRange): readonly Entry[] {
  const { after = 0, before = Number.POSITIVE_INFINITY, newestFirst = false } = range
  const inside = entries.filter(({ seq }) => seq > after && seq < before)
  const ordered = newestFirst ? inside.toReversed() : inside
  const found: Entry[] = []
  let bytes = 0
  for (const entry of ordered.slice(0, range.limit)) {
    bytes += Buffer.byteLength(entry.body.fields)
    if (found.length > 0 && bytes > (range.bytesMax ?? Number.POSITIVE_INFINITY)) break
    found.push(entry)
  }
  return found
}
