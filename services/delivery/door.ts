// The door: opens and closes sessions, one after the other for each device, over all brokers.

import type { Clock } from '../../protocol/clock.ts'
import type { Entry } from '../../protocol/entry.ts'
import { Refusal } from '../../protocol/errors.ts'
import { StoreFailure } from '../../protocol/failure.ts'
import type { Logger } from '../../protocol/logger.ts'
import { userTopic } from '../../protocol/topics.ts'
import type { LogStore } from '../log/ports.ts'
import type { Cursors } from './cursors.ts'
import type { Link } from './delivery.ts'
import type { Directory, Place } from './directory.ts'
import type { LastSeen } from './last-seen.ts'
import type { WithLock } from './locks.ts'
import { deviceKey } from './locks.ts'
import type { Cursor, DeviceName, DeviceStore, StoredDevice } from './ports.ts'
import type { Member, Position } from './room.ts'
import type { ConnectedUser, Roster } from './roster.ts'
import type { SessionOptions } from './session.ts'
import { Session } from './session.ts'
import { Subscriptions } from './subscriptions.ts'
import type { Turns } from './turns.ts'

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

export interface Door {
  /** Opens the session of a device that connects, and closes the one it had before, here or at
   * another broker: that one's cursors are written first, so what it acknowledged is not resent.
   * `present` says whether the device was known [MQTT-3.2.2-2]. Nothing is delivered before
   * `session.start()`. Throws `Refusal` for a durable device that is one too many of its user, and
   * `StoreFailure` for one that has come elsewhere meanwhile. */
  attach(arrival: Arrival): Promise<{ readonly session: Session; readonly present: boolean }>
  /** Closes a session and writes its cursors; from now on it lasts as long as it said. Nothing
   * happens when it is closed already. */
  detach(session: Session): Promise<void>
}

export interface DoorParts {
  readonly devices: DeviceStore
  readonly log: Pick<LogStore, 'read'>
  readonly logger: Logger
  readonly clock: Clock
  readonly roster: Roster
  readonly cursors: Cursors
  readonly lastSeen: Pick<LastSeen, 'seen'>
  /** The store has forgotten a device. */
  readonly expired: (device: DeviceName) => void
  /** Told when a device is refused because its user has too many; nobody if absent. */
  readonly wantsRoom?: (() => void) | undefined
  readonly turns: Turns
  /** What concerns one device, one after the other. */
  readonly withLock: WithLock
  /** Where else devices are; absent in a process without others. */
  readonly directory?: Directory | undefined
  readonly watch: {
    started(session: Session): void
    acknowledged(position: Position): void
    gone(user: ConnectedUser): Promise<void>
  }
  readonly options: SessionOptions & { readonly devicesPerUserMax: number }
}

/** Most devices whose sessions are being opened; more than that only a store that hangs makes. */
const arrivingMax = 10_000

interface Entered {
  readonly session: Session
  readonly guest: ConnectedUser
  readonly place: Place | undefined
}

export function makeDoor(context: DoorParts): Door {
  const { roster, cursors, lastSeen, withLock } = context
  const sessions = new Map<string, Entered>()
  let arriving = 0

  /** `isElsewhere`: the device goes on at another broker, which sees to its end. */
  const release = async (key: string, session: Session, isElsewhere = false) => {
    const entered = sessions.get(key)
    if (entered?.session !== session) return
    const { guest, place } = entered
    session.close()
    sessions.delete(key)
    guest.sessions.delete(session)
    if (session.durable) {
      lastSeen.seen(session)
      await cursors.flush(session.positions.values())
      if (!isElsewhere) await conclude(context, session)
    }
    place?.leave()
    if (guest.sessions.size === 0) await context.watch.gone(guest)
    roster.leave(guest)
  }

  const lose = (key: string, session: Session) => {
    // At once, so that nothing is sent while the other broker begins.
    session.close()
    session.link.takenOver()
    return withLock(key, () => release(key, session, true))
  }

  const enter = async (key: string, arrival: Arrival, place: Place | undefined) => {
    const guest = await roster.enter(arrival.user)
    try {
      const stored = await recall(context, arrival)
      if (place?.isLost()) throw new StoreFailure('the device has connected elsewhere')
      const session = makeSession(context, arrival, stored)
      sessions.set(key, { session, guest, place })
      place?.onLost(() => lose(key, session))
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

  const open = async (key: string, arrival: Arrival) => {
    const before = sessions.get(key)?.session
    if (before !== undefined) {
      before.link.takenOver()
      await release(key, before)
    }
    const { directory } = context
    const place = directory && (await directory.take(arrival))
    try {
      return await enter(key, arrival, place)
    } catch (error) {
      place?.leave()
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
async function conclude({ devices, expired, clock }: DoorParts, session: Session): Promise<void> {
  const { user, device, expiryMs } = session
  if (expiryMs === undefined) return
  if (expiryMs > 0) return devices.endAt({ user, device }, clock() + expiryMs)
  await devices.forget(user, device)
  expired(session)
}

/** What the store knows of the device. One that comes clean, or whose session has ended, is
 * forgotten; a durable one that is new is stored, so that its session is present the next time. */
async function recall(
  { devices, clock, options, wantsRoom }: DoorParts,
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
  context: DoorParts,
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
      read: ({ conversation, head }, after, limit) =>
        log.read(conversation.id, { after, limit, bytesMax, head }),
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
