// Who is connected, and of which conversations they are members: the memory that answers "may this
// user publish here?" and "who listens here?" without asking the store. Follows membership changes.

import type { Conversation, Entry } from '../../protocol/entry.ts'
import type { ConversationStore, Membership } from '../conversations/ports.ts'
import type { Member, MemberOwner, Room } from './room.ts'
import type { Session } from './session.ts'

export interface ConnectedUser extends MemberOwner {
  readonly user: string
  readonly memberships: Map<string, Member>
  readonly sessions: Set<Session>
}

interface Guest extends ConnectedUser {
  /** Sessions, and connections on their way to become one. */
  holds: number
  readonly loaded: Promise<void>
  /** Refreshes, one after the other. */
  refreshed: Promise<void>
}

export interface Roster {
  /** The user with all memberships; counted, so each call that resolves needs a `leave`. */
  enter(user: string): Promise<ConnectedUser>
  leave(user: ConnectedUser): void
  get(user: string): ConnectedUser | undefined
  /** The room an entry was stored in, with its head raised; undefined when nobody is there. */
  roomOf(entry: Entry): Room | undefined
  /** The room of a conversation; undefined when nobody is there. */
  room(conversation: string): Room | undefined
  /** Ends a membership at once; undefined when a connected user had none. */
  remove(conversation: string, user: string): Member | undefined
  /** Reads one membership of a connected user again. Tells what changed: a member who is new, or
   * the one who left. Nothing happens when the user is not connected. */
  refresh(
    conversation: string,
    user: string,
  ): Promise<{ readonly joined?: Member; readonly left?: Member }>
  users(): Iterable<ConnectedUser>
  /** The rooms, also those that come while they are gone through. */
  rooms(): Iterator<Room>
}

/** Makes the roster. Rooms live as long as a member is connected. */
export function makeRoster(store: ConversationStore): Roster {
  const guests = new Map<string, Guest>()
  const rooms = makeRooms()

  const add = (guest: Guest, membership: Membership): Member => {
    const { joinedSeq, delivered, read, mutedUntil, hidesReads } = membership
    const room = rooms.open(membership)
    const marks = { delivered, read, mutedUntil, hidesReads }
    const states = { active: true, hasLeft: false, owner: guest }
    const member: Member = { user: guest.user, room, joinedSeq, ...states, ...marks }
    room.members.add(member)
    guest.memberships.set(membership.conversation.id, member)
    guest.counter?.missed(member)
    return member
  }

  const drop = (guest: Guest, member: Member) => {
    member.active = false
    guest.memberships.delete(member.room.conversation.id)
    for (const session of guest.sessions) session.ignore(member.room)
    rooms.leave(member)
    guest.counter?.left(member)
  }

  const end = (guest: Guest, member: Member) => {
    member.hasLeft = true
    drop(guest, member)
  }

  const arrive = (user: string): Guest => {
    const loaded = rooms.watch(async () => {
      const found = await store.membershipsOf(user)
      for (const membership of found) add(guest, membership)
    })
    const refreshed = loaded.catch(ignore)
    const guest: Guest = { ...makeConnectedUser(user), holds: 0, loaded, refreshed }
    guests.set(user, guest)
    return guest
  }

  const leave = (user: ConnectedUser) => {
    const guest = user as Guest
    if (--guest.holds > 0) return
    if (guests.get(guest.user) === guest) guests.delete(guest.user)
    for (const member of [...guest.memberships.values()]) drop(guest, member)
  }

  return {
    async enter(user) {
      const guest = guests.get(user) ?? arrive(user)
      guest.holds++
      try {
        await guest.loaded
      } catch (error) {
        // Whoever comes next loads anew.
        if (guests.get(user) === guest) guests.delete(user)
        leave(guest)
        throw error
      }
      return guest
    },
    leave,
    get: (user) => guests.get(user),
    roomOf: rooms.of,
    room: rooms.get,
    remove(conversation, user) {
      const guest = guests.get(user)
      const member = guest?.memberships.get(conversation)
      if (guest !== undefined && member !== undefined) end(guest, member)
      return member
    },
    async refresh(conversation, user) {
      const guest = guests.get(user)
      if (guest === undefined) return {}
      const read = async () => {
        const membership = await store.membership(conversation, user)
        const member = guest.memberships.get(conversation)
        if (guests.get(user) !== guest) return {}
        if (membership !== undefined && member === undefined) {
          return { joined: add(guest, membership) }
        }
        if (membership !== undefined || member === undefined) return {}
        end(guest, member)
        return { left: member }
      }
      const refreshed = guest.refreshed.then(() => rooms.watch(read))
      guest.refreshed = refreshed.then(ignore, ignore)
      return refreshed
    },
    users: () => guests.values(),
    rooms: rooms.all,
  }
}

function makeConnectedUser(user: string): ConnectedUser {
  return { user, memberships: new Map(), sessions: new Set(), counter: undefined }
}

/** The rooms, and the heads of those that are being entered: what is announced between the store's
 * answer about a conversation and the entering of its room must not be missed. */
function makeRooms() {
  const rooms = new Map<string, Room>()
  /** Heads announced while anything was being read, of rooms that are not there. */
  const announced = new Map<string, number>()
  let watchers = 0

  return {
    /** Does work that reads memberships and enters rooms. */
    async watch<Result>(work: () => Promise<Result>): Promise<Result> {
      watchers++
      try {
        return await work()
      } finally {
        if (--watchers === 0) announced.clear()
      }
    },
    get: (conversation: string): Room | undefined => rooms.get(conversation),
    open({ conversation, head, members }: Membership): Room {
      const { id } = conversation
      const room = rooms.get(id) ?? makeRoom(conversation)
      rooms.set(id, room)
      room.memberCount = members
      room.head = Math.max(room.head, head, announced.get(id) ?? 0)
      return room
    },
    leave(member: Member): void {
      const { members, conversation, head } = member.room
      members.delete(member)
      if (members.size > 0) return
      rooms.delete(conversation.id)
      // What is being read may be older than what was announced here.
      if (watchers > 0) announced.set(conversation.id, head)
    },
    all: () => rooms.values(),
    of({ conversation, seq }: Entry): Room | undefined {
      const room = rooms.get(conversation)
      if (room !== undefined) room.head = Math.max(room.head, seq)
      else if (watchers > 0) announced.set(conversation, seq)
      return room
    },
  }
}

function makeRoom(conversation: Conversation): Room {
  return { conversation, memberCount: 0, head: 0, positions: new Set(), members: new Set() }
}

function ignore(): void {}
