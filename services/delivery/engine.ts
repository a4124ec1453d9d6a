// The delivery engine: opens and closes device sessions, and hands every stored entry to the
// sessions that listen. It keeps who is connected in memory and everything else in the store.

import type { Clock } from '../../protocol/clock.ts'
import type { Entry } from '../../protocol/entry.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Peers } from '../bus/peers.ts'
import { noPeers } from '../bus/peers.ts'
import type { ConversationStore, Membership } from '../conversations/ports.ts'
import type { LogStore } from '../log/ports.ts'
import type { Census } from './census.ts'
import { takeCensus } from './census.ts'
import { makeCursors } from './cursors.ts'
import { Delivery } from './delivery.ts'
import type { Directory } from './directory.ts'
import type { Door } from './door.ts'
import { makeDoor } from './door.ts'
import { followPeers, makeHearing } from './follow-peers.ts'
import type { LastSeen } from './last-seen.ts'
import { makeLastSeen } from './last-seen.ts'
import { makeLocks } from './locks.ts'
import type { Memberships } from './memberships.ts'
import { makeMemberships } from './memberships.ts'
import type { Notices } from './notices.ts'
import { makeNotices } from './notices.ts'
import type { DeviceName, DeviceStore } from './ports.ts'
import { startRepair } from './repair.ts'
import type { Member, Position, Room } from './room.ts'
import type { ConnectedUser, Roster } from './roster.ts'
import { makeRoster } from './roster.ts'
import { makeSaveSession } from './save-session.ts'
import type { Session, SessionOptions } from './session.ts'
import type { SubscribeCode, SubscribeRequest } from './subscribe.ts'
import { makeSubscriber } from './subscribe.ts'
import type { Sync } from './sync.ts'
import { makeSync } from './sync.ts'
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
  /** The other brokers; absent if there are none. */
  readonly peers?: Peers
  /** Where else devices are connected; absent if there are no other brokers. */
  readonly directory?: Directory
}

/** Hears what becomes of deliveries and sessions. Nothing here may throw. */
export interface Watch {
  /** A device acknowledged more of a conversation. Told once, until `position.isNoted` is set to
   * false: this is called for messages. */
  acknowledged(position: Position): void
  started(session: Session): void
  subscribed(session: Session): void
  /** What the store knows of a member who is connected was read again. */
  reread(member: Member, membership: Membership): void
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

export interface Engine extends Door, Notices, Memberships, Pick<LastSeen, 'markConnected'> {
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
  /** An entry that was stored here, for all who listen here and at other brokers. Entries may come
   * twice or out of order. */
  announce(entry: Entry): void
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
const unwatched: Watch = {
  acknowledged() {},
  started() {},
  subscribed() {},
  reread() {},
  async gone() {},
}

export function makeEngine(parts: EngineParts, options: EngineOptions): Engine {
  const { watch = unwatched, peers = noPeers, logger } = parts
  const roster = makeRoster(
    parts.conversations,
    makeHearing(peers, (room) => repair.check(room)),
  )
  const cursors = makeCursors(parts.devices, logger, { flushMs: options.cursorFlushMs })
  const lastSeen = makeLastSeen(
    { ...parts, connected: () => durableSessions(roster) },
    { expiryMs: options.sessionExpirySeconds * 1000 },
  )
  const turns = makeTurns(readsPerTurn)
  const withLock = makeLocks()
  const saveSession = makeSaveSession(parts.devices, withLock)
  let tellExpired: (device: DeviceName) => void = () => {}
  const expired = (device: DeviceName) => tellExpired(device)
  const shared = { roster, cursors, lastSeen, expired, turns, withLock }
  const door = makeDoor({ ...parts, ...shared, watch, options })
  const subscriber = makeSubscriber(saveSession, roster)
  const notices = makeNotices(roster, options)
  const memberships = makeMemberships({ roster, notify: notices.notify, reread: watch.reread })

  const repair = startRepair({
    roster,
    readHeads: parts.log.heads,
    failed: (err) => logger.debug({ err }, 'the repair waits for the store'),
    ...(peers.isAlone ? {} : { hears: peers.isUp }),
  })

  const deliver = (entry: Entry) => {
    const room = roster.roomOf(entry)
    if (room === undefined) return
    for (const member of room.members) member.owner.counter?.announced(member, entry)
    if (room.positions.size === 0) return
    const delivery = new Delivery(room.conversation, entry)
    for (const position of room.positions) position.session.offer(position, delivery)
  }
  const followers = peers.isAlone
    ? undefined
    : followPeers({ peers, roster, deliver, logger, repair, ...memberships })

  return {
    ...door,
    ...notices,
    ...memberships,
    membershipChanged(change) {
      const { user, conversation } = change
      peers.tell({ user }, { type: 'membership', user, conversation })
      return memberships.membershipChanged(change)
    },
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
    announce: followers?.announce ?? deliver,
    user: roster.get,
    room: roster.room,
    census: () => takeCensus(roster),
    async close() {
      repair.stop()
      followers?.stop()
      const sessions = [...roster.users()].flatMap((user) => [...user.sessions])
      await Promise.all(sessions.map(door.detach))
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
