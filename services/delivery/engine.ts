// The delivery engine: opens and closes device sessions, and hands every stored entry to the
// sessions that listen. It keeps who is connected in memory and everything else in the store.

import type { Clock } from '../../protocol/clock.ts'
import type { Conversation, Entry } from '../../protocol/entry.ts'
import { Refusal } from '../../protocol/errors.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import { userTopic } from '../../protocol/topics.ts'
import type { MembershipChange } from '../conversations/conversations.ts'
import type { ConversationStore } from '../conversations/ports.ts'
import type { LogStore } from '../log/ports.ts'
import type { Census } from './census.ts'
import { takeCensus } from './census.ts'
import type { Cursors } from './cursors.ts'
import { makeCursors } from './cursors.ts'
import type { Link } from './delivery.ts'
import { Delivery } from './delivery.ts'
import type { LastSeen } from './last-seen.ts'
import { makeLastSeen } from './last-seen.ts'
import type { WithLock } from './locks.ts'
import { deviceKey, makeLocks } from './locks.ts'
import type { Notices } from './notices.ts'
import { makeNotices } from './notices.ts'
import type { Cursor, DeviceName, DeviceStore, StoredDevice } from './ports.ts'
import { startRepair } from './repair.ts'
import type { Member, Position, Room } from './room.ts'
import type { ConnectedUser, Roster } from './roster.ts'
import { makeRoster } from './roster.ts'
import { makeSaveSession } from './save-session.ts'
import type { SessionOptions } from './session.ts'
import { Session } from './session.ts'
import type { SubscribeCode, SubscribeRequest } from './subscribe.ts'
import { makeSubscriber } from './subscribe.ts'
import { Subscriptions } from './subscriptions.ts'
import type { Sync } from './sync.ts'
import { makeSync } from './sync.ts'
import type { Turns } from './turns.ts'
import { makeTurns } from './turns.ts'

export interface EngineParts {
  readonly devices: DeviceStore
  readonly conversations: ConversationStore
  readonly log: Pick<LogStore, 'read' | 'heads'>
  readonly logger: Logger
  readonly clock: Clock
  /** Who follows what becomes of deliveries; nobody if absent. */
  readonly watch?: Watch
  /** Told when a device is refused because its user has too many; nobody if absent. */
  readonly wantsRoom?: () => void
}

/** Hears what becomes of deliveries and sessions. Nothing here may throw. */
export interface Watch {
  /** A device acknowledged more of a conversation. Told once, until `position.isNoted` is set to
   * false: this is called for messages. */
  acknowledged(position: Position): void
  started(session: Session): void
  subscribed(session: Session): void
  /** The last session of a user has ended; the user is forgotten when this resolves. */
  gone(user: ConnectedUser): Promise<void>
}

export interface EngineOptions extends SessionOptions {
  readonly cursorFlushMs: number
  /** How long a device may stay away before its session ends, seconds. */
  readonly sessionExpirySeconds: number
  /** Most durable devices of one user. */
  readonly devicesPerUserMax: number
}

interface Arrival {
  readonly user: string
  readonly device: string
  /** The device's subscriptions and cursors are kept when it goes. */
  readonly durable: boolean
  /** What is kept of the device is dropped first [MQTT-3.1.2-6, MQTT5-3.1.2-4]; as `!durable` if
   * absent. */
  readonly clean?: boolean
  /** How long a durable device is kept when it has gone, ms; as the settings say if absent. */
  readonly expiryMs?: number | undefined
  readonly link: Link
}

export interface Engine extends Notices, Pick<LastSeen, 'markConnected'> {
  /** Opens the session of a device that connects, and closes the one it had before: that one's
   * cursors are written first, so what it acknowledged is not sent again. `present` says whether
   * the device was known [MQTT-3.2.2-2]. Nothing is delivered before `session.start()`. Throws
   * `Refusal` for a durable device that is one too many of its user. */
  attach(arrival: Arrival): Promise<{ readonly session: Session; readonly present: boolean }>
  /** Closes a session and writes its cursors; from now on it lasts as long as it said. Nothing
   * happens when it is closed already. */
  detach(session: Session): Promise<void>
  /** Adds filters; the answers are granted QoS or 128, in order [MQTT-3.9.3-1]. What a filter newly
   * covers starts at its head. Resolves when the subscriptions are stored. */
  subscribe(
    session: Session,
    requests: readonly SubscribeRequest[],
  ): Promise<readonly SubscribeCode[]>
  unsubscribe(session: Session, filters: readonly string[]): Promise<void>
  /** Sets a session's positions as the device says; see `Sync`. */
  readonly sync: Sync
  /** The session's membership in a conversation, from memory; undefined when its user is none. */
  member(session: Session, conversation: string): Member | undefined
  /** A stored entry, for all who listen here. Entries may come twice or out of order. */
  announce(entry: Entry): void
  /** A membership was made or ended; connected sessions follow when it resolves. */
  membershipChanged(change: MembershipChange): Promise<void>
  /** A group has another title; its connected members are told. */
  renamed(conversation: Conversation): void
  /** A connected user. */
  user(user: string): ConnectedUser | undefined
  /** A conversation with a connected member. */
  room(conversation: string): Room | undefined
  /** Sets who hears of devices whose session is over and that the store has forgotten. It may not
   * throw. */
  onExpired(callback: (device: DeviceName) => void): void
  /** The store was seen to forget a device that stayed away, here or by another process. */
  expired(device: DeviceName): void
  /** Who is connected now. */
  census(): Census
  /** Closes all sessions and writes all cursors. */
  close(): Promise<void>
}

const readsPerTurn = 8
/** Most devices whose sessions are being opened; more than that only a store that hangs makes. */
const arrivingMax = 10_000

const unwatched: Watch = {
  acknowledged() {},
  started() {},
  subscribed() {},
  async gone() {},
}

interface Context extends EngineParts {
  readonly watch: Watch
  readonly roster: Roster
  readonly cursors: Cursors
  readonly lastSeen: LastSeen
  /** The store has forgotten a device. */
  readonly expired: (device: DeviceName) => void
  readonly turns: Turns
  /** What concerns one device, one after the other. */
  readonly withLock: WithLock
  readonly options: EngineOptions
}

export function makeEngine(parts: EngineParts, options: EngineOptions): Engine {
  const roster = makeRoster(parts.conversations)
  const cursors = makeCursors(parts.devices, parts.logger, { flushMs: options.cursorFlushMs })
  const lastSeen = makeLastSeen(
    { ...parts, connected: () => durableSessions(roster) },
    { expiryMs: options.sessionExpirySeconds * 1000 },
  )
  const turns = makeTurns(readsPerTurn)
  const withLock = makeLocks()
  const { watch = unwatched } = parts
  let tellExpired: (device: DeviceName) => void = () => {}
  const expired = (device: DeviceName) => tellExpired(device)
  const shared = { roster, cursors, lastSeen, expired, turns, withLock }
  const context: Context = { ...parts, ...shared, watch, options }
  const saveSession = makeSaveSession(parts.devices, withLock)
  const { attach, detach } = makeDoor(context)
  const subscriber = makeSubscriber(saveSession, roster)
  const notices = makeNotices(roster, options)
  const { notify } = notices

  const tell = (user: string, type: 'joined' | 'left' | 'renamed', { room }: Member) => {
    const { conversation } = room
    if (conversation.kind !== 'group') return
    const { id, group, title } = conversation
    notify(user, 'event', { type, conversation: id, group, title })
  }

  const stopRepair = startRepair({
    roster,
    readHeads: parts.log.heads,
    failed: (err) => parts.logger.debug({ err }, 'the repair waits for the store'),
  })

  return {
    attach,
    detach,
    async subscribe(session, requests) {
      const answers = await subscriber.subscribe(session, requests)
      watch.subscribed(session)
      return answers
    },
    unsubscribe: subscriber.unsubscribe,
    sync: makeSync(saveSession, roster),
    markConnected: lastSeen.markConnected,
    onExpired(callback) {
      tellExpired = callback
    },
    expired,
    member: (session, conversation) => roster.get(session.user)?.memberships.get(conversation),
    announce(entry) {
      const room = roster.roomOf(entry)
      if (room === undefined) return
      for (const member of room.members) member.owner.counter?.announced(member, entry)
      if (room.positions.size === 0) return
      const delivery = new Delivery(room.conversation, entry)
      for (const position of room.positions) position.session.offer(position, delivery)
    },
    async membershipChanged({ kind, conversation, user }) {
      // At once, whatever the store says later: who has left hears and says nothing more.
      const left = kind === 'left' ? roster.remove(conversation, user) : undefined
      if (left) tell(user, 'left', left)
      const refreshed = await roster.refresh(conversation, user)
      if (refreshed.left) tell(user, 'left', refreshed.left)
      const guest = roster.get(user)
      if (!refreshed.joined?.active || guest === undefined) return
      admit(guest, refreshed.joined)
      tell(user, 'joined', refreshed.joined)
    },
    ...notices,
    renamed(conversation) {
      const room = roster.room(conversation.id)
      if (room === undefined) return
      room.conversation = conversation
      for (const member of room.members) tell(member.user, 'renamed', member)
    },
    user: roster.get,
    room: roster.room,
    census: () => takeCensus(roster),
    async close() {
      stopRepair()
      const sessions = [...roster.users()].flatMap((user) => [...user.sessions])
      await Promise.all(sessions.map(detach))
      await cursors.close()
      await lastSeen.close()
    },
  }
}

function* durableSessions(roster: Roster): Iterable<Session> {
  for (const { sessions } of roster.users()) {
    for (const session of sessions) if (session.durable) yield session
  }
}

/** Opening and closing of sessions, one after the other for each device. */
function makeDoor(context: Context): Pick<Engine, 'attach' | 'detach'> {
  const { roster, cursors, lastSeen, withLock } = context
  const sessions = new Map<string, { readonly session: Session; readonly guest: ConnectedUser }>()
  let arriving = 0

  const release = async (key: string, session: Session) => {
    const guest = sessions.get(key)?.guest
    if (guest === undefined || sessions.get(key)?.session !== session) return
    session.close()
    sessions.delete(key)
    guest.sessions.delete(session)
    if (session.durable) {
      lastSeen.seen(session)
      await cursors.flush(session.positions.values())
      await conclude(context, session)
    }
    if (guest.sessions.size === 0) await context.watch.gone(guest)
    roster.leave(guest)
  }

  const open = async (key: string, arrival: Arrival) => {
    const before = sessions.get(key)?.session
    if (before !== undefined) {
      before.link.takenOver()
      await release(key, before)
    }
    const guest = await roster.enter(arrival.user)
    try {
      const stored = await recall(context, arrival)
      const session = makeSession(context, arrival, stored)
      sessions.set(key, { session, guest })
      guest.sessions.add(session)
      // Whoever looks for devices that stay away may be another process.
      if (session.durable) lastSeen.seen(session)
      const kept = new Map(stored?.cursors.map((cursor) => [cursor.conversation, cursor]))
      for (const member of guest.memberships.values()) rejoin(session, member, kept)
      return { session, present: stored !== undefined }
    } catch (error) {
      roster.leave(guest)
      throw error
    }
  }

  return {
    async attach(arrival) {
      if (arriving >= arrivingMax) throw new StoreFailure('too many devices wait for the store')
      const key = deviceKey(arrival)
      arriving++
      try {
        return await withLock(key, () => open(key, arrival))
      } finally {
        arriving--
      }
    },
    detach: (session) => {
      const key = deviceKey(session)
      // At once, so that nothing is sent to a connection that is gone.
      session.close()
      return withLock(key, () => release(key, session))
    },
  }
}

/** Sees to the end of a session that lasts as long as its device has said. */
async function conclude({ devices, expired, clock }: Context, session: Session): Promise<void> {
  const { user, device, expiryMs } = session
  if (expiryMs === undefined) return
  if (expiryMs > 0) return devices.endAt({ user, device }, clock() + expiryMs)
  await devices.forget(user, device)
  expired(session)
}

/** What the store knows of the device. One that comes clean, or whose session has ended, is
 * forgotten; a durable one that is new is stored, so that its session is present the next time. */
async function recall(
  { devices, clock, options, wantsRoom }: Context,
  arrival: Arrival,
): Promise<StoredDevice | undefined> {
  const { user, device, durable, clean = !durable, expiryMs } = arrival
  const stored = await devices.find(user, device)
  const isOver = clean || (stored?.endsAt ?? Number.POSITIVE_INFINITY) <= clock()
  if (stored !== undefined && isOver) await devices.forget(user, device)
  const known = isOver ? undefined : stored
  const isAsKnown = known?.expiryMs === expiryMs && known?.endsAt === undefined
  if (durable && (known === undefined || !isAsKnown)) {
    const { devicesPerUserMax: devicesMax } = options
    const subscriptions = known?.subscriptions ?? []
    const isStored = await devices.save({ user, device, expiryMs, subscriptions, devicesMax })
    if (!isStored) {
      wantsRoom?.()
      throw new Refusal('too-many-devices', `a user may have ${devicesMax} devices that are kept`)
    }
  }
  return known
}

function makeSession(
  context: Context,
  arrival: Arrival,
  stored: StoredDevice | undefined,
): Session {
  const { cursors, turns, options, log, logger, watch } = context
  const { windowBytesMax: bytesMax } = options
  return new Session(
    arrival,
    {
      link: arrival.link,
      subscriptions: new Subscriptions(arrival.user, stored?.subscriptions ?? []),
      cursors,
      turns,
      read: (conversation, after, limit) => log.read(conversation, { after, limit, bytesMax }),
      readFailed: (err) => logger.debug({ err }, 'catch-up waits for the store'),
      caughtUp: tellCaughtUp,
      tooLarge: tellTooLarge,
      started: watch.started,
      acknowledged: watch.acknowledged,
    },
    options,
  )
}

function tellCaughtUp({ user, link, subscriptions }: Session): boolean {
  if (!subscriptions.hasUserLeaf('event')) return false
  link.notify(userTopic(user, 'event'), JSON.stringify({ type: 'caughtUp' }))
  return true
}

function tellTooLarge({ user, link, subscriptions }: Session, { conversation, seq }: Entry): void {
  if (!subscriptions.hasUserLeaf('event')) return
  link.notify(userTopic(user, 'event'), JSON.stringify({ type: 'tooLarge', conversation, seq }))
}

/** A device that is back goes on at its cursor; a conversation it has none for is younger than its
 * subscription, and starts where the user joined. At QoS 0 nothing is kept for an absent device. */
function rejoin(session: Session, member: Member, cursors: ReadonlyMap<string, Cursor>): void {
  const { room, joinedSeq } = member
  const qos = session.subscriptions.messageQos(room.conversation)
  if (qos === undefined) return
  const cursor = cursors.get(room.conversation.id)
  const kept = Math.max(cursor?.acked ?? 0, joinedSeq)
  const acked = qos === 0 ? room.head : kept
  session.listen(member, { qos, acked, sent: Math.max(cursor?.sent ?? 0, acked) })
}

/** A connected user became a member: the sessions that subscribe to it listen from the join on. */
function admit(guest: ConnectedUser, member: Member): void {
  const { room, joinedSeq } = member
  for (const session of guest.sessions) {
    const qos = session.subscriptions.messageQos(room.conversation)
    if (qos === undefined || session.positions.has(room)) continue
    session.listen(member, { qos, acked: joinedSeq, sent: joinedSeq })
  }
}
