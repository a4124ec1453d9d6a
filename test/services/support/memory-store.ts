// The stores in Maps: a small, honest implementation of the ports for tests of the services, where
// nothing needs to survive. `failing` makes every call fail as a store that is down does.

import type { Conversation, Entry } from '../../../protocol/entry.ts'
import { StoreFailure } from '../../../protocol/failure.ts'
import { directConversation, groupConversation } from '../../../protocol/ids.ts'
import type { UserStore } from '../../../services/auth/ports.ts'
import type {
  ConversationStore,
  Membership,
  NewGroup,
  Role,
} from '../../../services/conversations/ports.ts'
import type { AppendOutcome, LogStore, ReadRange } from '../../../services/log/ports.ts'

interface Member {
  role: Role
  readonly joinedSeq: number
}

interface Room {
  readonly conversation: Conversation
  readonly members: Map<string, Member>
  readonly entries: Entry[]
}

export interface MemoryStore extends UserStore, ConversationStore, LogStore {
  /** Gives a member a role; no port does yet. */
  setRole(group: string, user: string, role: Role): void
  /** Whether calls fail with `StoreFailure` from now on. */
  setFailing(isFailing: boolean): void
}

export function makeMemoryStore(): MemoryStore {
  const users = new Map<string, string | null>()
  const rooms = new Map<string, Room>()
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
  }
  return {
    ...userStore,
    ...conversationStore(users, rooms, check),
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

function conversationStore(
  users: ReadonlyMap<string, unknown>,
  rooms: Map<string, Room>,
  check: () => void,
): ConversationStore {
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
        room.members.set(user, { role: user === owner ? 'owner' : 'member', joinedSeq: 0 })
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
      room.members.set(user, { role: 'member', joinedSeq: room.entries.length })
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
    async ensureDirect(a, b) {
      check()
      if (!users.has(a) || !users.has(b)) return undefined
      const id = directConversation(a, b)
      const known = rooms.get(id)
      if (known !== undefined) return known.conversation
      const pair = a < b ? ([a, b] as const) : ([b, a] as const)
      const members = new Map(
        pair.map((user) => [user, { role: 'member', joinedSeq: 0 } as Member]),
      )
      const conversation = { kind: 'direct', id, users: pair } as const
      rooms.set(id, { conversation, members, entries: [] })
      return conversation
    },
    async membership(conversation, user) {
      check()
      const room = rooms.get(conversation)
      return room && membershipIn(room, user)
    },
    async membershipsOf(user) {
      check()
      const ids = [...rooms.keys()].sort()
      return ids.flatMap((id) => membershipIn(rooms.get(id) as Room, user) ?? [])
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

function membershipIn(room: Room, user: string): Membership | undefined {
  const member = room.members.get(user)
  return member && { conversation: room.conversation, ...member, head: room.entries.length }
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
