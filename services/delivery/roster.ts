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
  /** Reads one membership of a connected user again. Tells what became of it; nothing when the user
   * is not connected. */
  refresh(conversation: string, user: string): Promise<readonly Refreshed[]>
  /** The same for all memberships. */
  refreshAll(user: string): Promise<readonly Refreshed[]>
  users(): Iterable<ConnectedUser>
  /** The rooms, also those that come while they are gone through. */
  rooms(): Iterator<Room>
}

/** What became of a membership. One that ended and began anew has `left` and `joined`. */
export interface Refreshed {
  readonly joined?: Member
  readonly left?: Member
  /** A member who was one before, and what the store knows of it now. */
  readonly kept?: { readonly member: Member; readonly membership: Membership }
}

/** Follows who is here, so that what concerns them is heard of from other brokers. */
export interface Hearing {
  /** Resolves when what changes from now on of the user's memberships is heard of; undefined when
   * nobody else changes them. */
  userCame(user: string): Promise<void> | undefined
  userWent(user: string): void
  roomOpened(room: Room): void
  roomClosed(room: Room): void
}

/** Makes the roster. Rooms live as long as a member is connected. */
export function makeRoster(store: ConversationStore, hearing: Hearing): Roster {
  const guests = new Map<string, Guest>()
  const rooms = makeRooms(hearing)

  const { add, drop, end, compare } = makeMembers(rooms)

  const arrive = (user: string): Guest => {
    const loaded = rooms.watch(async () => {
      const heard = hearing.userCame(user)
      if (heard !== undefined) await heard
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
    hearing.userWent(guest.user)
  }

  /** Reads after earlier refreshes of the user; nothing changes if the user has gone meanwhile. */
  const refresh = async (
    user: string,
    read: (guest: Guest) => Promise<readonly (readonly [string, Membership | undefined])[]>,
  ): Promise<readonly Refreshed[]> => {
    const guest = guests.get(user)
    if (guest === undefined) return []
    const work = async () => {
      const found = await read(guest)
      if (guests.get(user) !== guest) return []
      return found.map(([conversation, membership]) => compare(guest, conversation, membership))
    }
    const refreshed = guest.refreshed.then(() => rooms.watch(work))
    guest.refreshed = refreshed.then(ignore, ignore)
    return refreshed
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
    refresh: (conversation, user) =>
      refresh(user, async () => [[conversation, await store.membership(conversation, user)]]),
    refreshAll: (user) =>
      refresh(user, async ({ memberships }) => {
        const found = new Map<string, Membership | undefined>()
        for (const it of await store.membershipsOf(user)) found.set(it.conversation.id, it)
        for (const id of memberships.keys()) if (!found.has(id)) found.set(id, undefined)
        return [...found]
      }),
    users: () => guests.values(),
    rooms: rooms.all,
  }
}

/** Begins and ends the memberships of those who are connected. */
function makeMembers(rooms: Rooms) {
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

  /** Takes over what the store knows of a membership; undefined when there is none. */
  const compare = (guest: Guest, conversation: string, membership?: Membership): Refreshed => {
    const member = guest.memberships.get(conversation)
    if (member === undefined)
      return membership === undefined ? {} : { joined: add(guest, membership) }
    if (membership?.joinedSeq === member.joinedSeq) return { kept: { member, membership } }
    end(guest, member)
    return { left: member, ...(membership === undefined ? {} : { joined: add(guest, membership) }) }
  }

  return { add, drop, end, compare }
}

function makeConnectedUser(user: string): ConnectedUser {
  return { user, memberships: new Map(), sessions: new Set(), counter: undefined }
}

type Rooms = ReturnType<typeof makeRooms>

/** The rooms, and the heads of those that are being entered: what is announced between the store's
 * answer about a conversation and the entering of its room must not be missed. */
function makeRooms(hearing: Pick<Hearing, 'roomOpened' | 'roomClosed'>) {
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
      const known = rooms.get(id)
      const room = known ?? makeRoom(conversation)
      rooms.set(id, room)
      room.memberCount = members
      room.head = Math.max(room.head, head, announced.get(id) ?? 0)
      if (known === undefined) hearing.roomOpened(room)
      return room
    },
    leave(member: Member): void {
      const { members, conversation, head } = member.room
      members.delete(member)
      if (members.size > 0) return
      rooms.delete(conversation.id)
      hearing.roomClosed(member.room)
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
