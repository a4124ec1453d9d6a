// A connected device: the delivery gate. It decides for each entry whether to send it now, to drop
// it as a duplicate, or to read it from the log later. It holds no queue of messages: what does not
// fit the window is read again when there is room.

import type { Entry } from '../../protocol/entry.ts'
import { isVoid } from '../../protocol/entry.ts'
import type { Cursors } from './cursors.ts'
import type { Link } from './delivery.ts'
import { Delivery, messageTopic } from './delivery.ts'
import type { Listener, Member, Room } from './room.ts'
import { Position } from './room.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { Turns } from './turns.ts'
import { Window } from './window.ts'

export interface SessionOptions {
  readonly windowEntriesMax: number
  readonly windowBytesMax: number
}

export interface SessionParts {
  readonly link: Link
  readonly subscriptions: Subscriptions
  readonly cursors: Cursors
  readonly turns: Turns
  /** Entries of a room after a position, up to its head at least, at most `limit`. */
  readonly read: (room: Room, after: number, limit: number) => Promise<readonly Entry[]>
  /** Told when a read failed; the session tries again at the next wake-up. */
  readonly readFailed: (error: unknown) => void
  /** Told when everything that was missed was sent; false if the device does not listen to that. */
  readonly caughtUp: (session: Session) => boolean
  /** Told of an entry that was not sent, because the client does not take packets so large. */
  readonly tooLarge: (session: Session, entry: Entry) => void
  /** Told when the session has started. */
  readonly started: (session: Session) => void
  /** Told, once until `isNoted` is false again, that a position was acknowledged further. */
  readonly acknowledged: (position: Position) => void
}

interface Identity {
  readonly user: string
  readonly device: string
  /** Whether the device's cursors are stored. */
  readonly durable: boolean
  /** How long a durable device is kept when it has gone, ms; as the settings say if absent. */
  readonly expiryMs?: number | undefined
}

/** `starting`: the client was not told yet that it is connected, nothing may be sent. `live`:
 * entries go out as they come. `catchingUp`: some positions are behind and are read from the log.
 * `windowFull`: the client must acknowledge, or take bytes, before anything else is sent.
 * `leaving`: nothing is sent any more; what was sent may still be acknowledged. */
export type SessionState = 'starting' | 'live' | 'catchingUp' | 'windowFull' | 'leaving' | 'closed'

const readMax = 100
/** Most entries of its own that are kept from a device while it has not read what was before. */
const ownMax = 1000
/** How soon, and how often, it is looked again for an entry that others come after: one that is
 * being written still, or was given up and is about to be void. */
const recheckMs = 50
const rechecksMax = 40

export class Session implements Listener {
  readonly user: string
  readonly device: string
  readonly durable: boolean
  /** A device may change it when it goes [MQTT5-3.14.2-2]. */
  expiryMs: number | undefined
  readonly link: Link
  readonly subscriptions: Subscriptions
  state: SessionState = 'starting'
  readonly positions = new Map<Room, Position>()
  /** Positions whose room's head is ahead of them. */
  readonly #behind = new Set<Position>()
  readonly #window: Window<Position>
  readonly #parts: SessionParts
  readonly #options: SessionOptions
  #reading = false
  /** Positions that wait for an entry that is not there yet. */
  #stuck: Set<Position> | undefined
  #recheckTimer: NodeJS.Timeout | undefined
  /** Looks since the last one that found something. */
  #rechecks = 0
  /** The device was not told yet that it has everything it missed. */
  #owesCaughtUp = true
  /** Where to start in rooms that are not subscribed to yet, as the device said. */
  #starts: Map<Room, number> | undefined

  constructor(identity: Identity, parts: SessionParts, options: SessionOptions) {
    this.user = identity.user
    this.device = identity.device
    this.durable = identity.durable
    this.expiryMs = identity.expiryMs
    this.link = parts.link
    this.subscriptions = parts.subscriptions
    this.#parts = parts
    this.#options = options
    const { quota } = parts.link
    this.#window = new Window(options.windowEntriesMax, released, quota)
    quota?.onFree('chat', () => {
      this.drained()
      if (this.state === 'catchingUp') quota.keepForChat()
    })
  }

  /** How long the session lasts when its connection has ended, ms. */
  lastsMs(): number {
    return this.durable ? (this.expiryMs ?? Number.POSITIVE_INFINITY) : 0
  }

  /** The client knows that it is connected: deliveries may begin. */
  start(): void {
    if (this.state !== 'starting') return
    this.#proceed()
    this.#parts.started(this)
  }

  /** Listens to a room from a position on; `sent` is how far an earlier connection was sent it. */
  listen(member: Member, start: { qos: 0 | 1; acked: number; sent: number }): void {
    if (this.state === 'closed') return
    const { room } = member
    const position = new Position(this, member, start)
    this.positions.set(room, position)
    room.positions.add(position)
    if (position.isBehind()) this.#fallBehind(position)
  }

  /** Moves the position in a room, up or down; without a position there, it will start here. */
  reposition(member: Member, acked: number): void {
    const position = this.positions.get(member.room)
    if (position === undefined) {
      this.#starts ??= new Map()
      this.#starts.set(member.room, acked)
      return
    }
    if (position.acked === acked) return
    // A new position, so that what the old one has on its way does not move this one.
    this.ignore(member.room)
    this.listen(member, { qos: position.qos, acked, sent: acked })
  }

  /** Where to start in a room that is newly subscribed to: at its head, if the device has not said
   * otherwise. */
  startIn(room: Room): number {
    return this.#starts?.get(room) ?? room.head
  }

  /** The device is to be told when it has everything. */
  oweCaughtUp(): void {
    this.#owesCaughtUp = true
    this.#settleUp()
  }

  /** The session's subscriptions have changed. */
  subscribed(): void {
    this.#settleUp()
  }

  #settleUp(): void {
    if (this.#owesCaughtUp && this.state === 'live') {
      this.#owesCaughtUp = !this.#parts.caughtUp(this)
    }
  }

  /** Stops listening to a room. What is unacknowledged of it moves no cursor any more. */
  ignore(room: Room): void {
    const position = this.positions.get(room)
    if (position === undefined) return
    this.positions.delete(room)
    room.positions.delete(position)
    this.#behind.delete(position)
    this.#starts?.delete(room)
  }

  /** A new entry of a room this session listens to. */
  offer(position: Position, delivery: Delivery): void {
    const { seq } = delivery.entry
    if (seq <= position.sent) return
    if (this.state === 'live' && seq === position.sent + 1 && this.#hasRoom()) {
      this.#send(position, delivery)
    } else {
      this.#fallBehind(position)
    }
  }

  /** The device has published an entry, which was not announced yet. Kept from it if it wants that;
   * only as long as it is connected, because the log does not know devices. */
  published(room: Room, seq: number): void {
    const position = this.positions.get(room)
    if (position === undefined || seq <= position.sent) return
    if (!this.subscriptions.hidesOwn(messageTopic(room.conversation, this.user))) return
    position.own ??= new Set()
    if (position.own.size < ownMax) position.own.add(seq)
  }

  /** The device acknowledged a delivery. False when the packet id is not one of this session's. */
  acknowledge(packetId: number): boolean {
    const known = this.#window.acknowledge(packetId)
    if (known && this.state === 'windowFull') this.#resume()
    return known
  }

  /** The socket has taken what was written to it. */
  drained(): void {
    if (this.state === 'windowFull') this.#resume()
  }

  /** Compares all positions with their rooms' heads: the repair for announcements that were lost.
   * Without traffic to the client. */
  repair(): void {
    this.#findBehind()
    if (this.state === 'live' || this.state === 'catchingUp') this.#proceed()
  }

  #findBehind(): void {
    for (const position of this.positions.values()) {
      if (position.isBehind()) this.#behind.add(position)
    }
  }

  /** The device is to be sent away: nothing new goes to it, so that it can acknowledge what it got,
   * and nothing comes twice. */
  rest(): void {
    if (this.state !== 'closed') this.state = 'leaving'
  }

  /** Whether the device has not acknowledged all it was sent. */
  owesAcknowledgements(): boolean {
    return !this.#window.isEmpty()
  }

  /** Leaves all rooms; nothing is sent after this. */
  close(): void {
    this.state = 'closed'
    for (const [room, position] of this.positions) room.positions.delete(position)
    this.#behind.clear()
    clearTimeout(this.#recheckTimer)
  }

  /** A position of this session moved. */
  moved(position: Position): void {
    if (this.durable && position.isCurrent()) this.#parts.cursors.moved(position)
  }

  acknowledged(position: Position): void {
    position.isNoted = true
    this.#parts.acknowledged(position)
  }

  #hasRoom(): boolean {
    return this.#window.free() > 0 && this.link.unsentBytes() < this.#options.windowBytesMax
  }

  #send(position: Position, delivery: Delivery): void {
    const { seq } = delivery.entry
    const isWithheld = this.#isWithheld(position, delivery)
    const packetId = isWithheld || position.qos === 0 ? 0 : this.#window.take(position, seq)
    position.sent = seq
    if (packetId > 0) {
      position.unacknowledged++
      if (delivery.entry.from !== this.user) position.foreignSent = seq
    } else if (position.unacknowledged === 0) position.acked = seq
    // That it was sent is worth remembering too: it decides about DUP.
    this.moved(position)
    if (isWithheld) return
    const dup = packetId > 0 && seq <= position.resentUntil
    this.link.deliver(delivery, packetId, dup)
  }

  /** Whether an entry is passed over: the client's own under No Local, one larger than it takes, or
   * a void. It
   * counts as acknowledged when what was sent before it is. */
  #isWithheld(position: Position, delivery: Delivery): boolean {
    const { entry } = delivery
    if (position.own?.delete(entry.seq) || isVoid(entry)) return true
    if (this.link.takes?.(delivery, position.qos) !== false) return false
    this.#parts.tooLarge(this, entry)
    return true
  }

  #fallBehind(position: Position): void {
    this.#behind.add(position)
    if (this.state === 'live') this.#proceed()
  }

  /** After the window was full: waits until half of it is free, so that the log is read in pieces
   * worth reading. */
  #resume(): void {
    if (this.#window.isHalfFull() || this.#window.free() === 0) return
    if (this.link.unsentBytes() * 2 > this.#options.windowBytesMax) return
    this.#findBehind()
    this.#proceed()
  }

  #proceed(): void {
    this.state = this.#behind.size > 0 ? 'catchingUp' : 'live'
    if (this.state === 'catchingUp') this.#catchUp()
    else this.#settleUp()
  }

  #catchUp(): void {
    if (this.#reading) return
    this.#reading = true
    this.#readBehind().catch(this.#parts.readFailed)
  }

  async #readBehind(): Promise<void> {
    try {
      for (let next = this.#nextBehind(); next; next = this.#nextBehind()) {
        await this.#parts.turns()
        await this.#readSome(next)
      }
    } finally {
      // In the same turn in which the state stopped being `catchingUp`: who sets it again must find
      // that nobody reads.
      this.#reading = false
      this.link.quota?.chatIsDone()
    }
  }

  /** The next position to read; undefined, with the state set, when there is none or no room. */
  #nextBehind(): Position | undefined {
    if (this.state !== 'catchingUp') return undefined
    const [position] = this.#behind
    if (position === undefined) {
      this.state = 'live'
      this.#settleUp()
    } else if (!this.#hasRoom()) this.state = 'windowFull'
    else return position
    return undefined
  }

  async #readSome(position: Position): Promise<void> {
    const { room } = position
    const limit = Math.min(readMax, this.#window.free())
    const before = { head: room.head, sent: position.sent }
    const entries = await this.#parts.read(room, position.sent, limit)
    // The log may be ahead of what was announced: who starts at the head must not get it again.
    room.head = Math.max(room.head, entries.at(-1)?.seq ?? 0)
    // The session may have been closed, or the position given up, while the log was read.
    if (this.state !== 'catchingUp' || !this.#behind.has(position)) return
    for (const entry of entries) {
      if (entry.seq !== position.sent + 1 || !this.#hasRoom()) break
      this.#send(position, new Delivery(room.conversation, entry))
    }
    this.#behind.delete(position)
    const isStuck = position.sent === before.sent && room.head === before.head && this.#hasRoom()
    if (!isStuck) this.#rechecks = 0
    if (!position.isBehind()) return
    // Ends even if the log held less than the head promised.
    if (isStuck) this.#recheckSoon(position)
    else this.#behind.add(position)
  }

  /** Looks again in a moment; after a number of looks the next entry or the repair does. */
  #recheckSoon(position: Position): void {
    this.#stuck ??= new Set()
    this.#stuck.add(position)
    if (this.#recheckTimer !== undefined || this.#rechecks >= rechecksMax) return
    this.#rechecks++
    this.#recheckTimer = setTimeout(() => this.#recheck(), recheckMs)
    this.#recheckTimer.unref()
  }

  #recheck(): void {
    this.#recheckTimer = undefined
    for (const position of this.#stuck ?? []) {
      if (position.isCurrent() && position.isBehind()) this.#behind.add(position)
    }
    this.#stuck = undefined
    if (this.state === 'live' || this.state === 'catchingUp') this.#proceed()
  }
}

/** A delivery was acknowledged, and all of the session's before it. */
function released(position: Position, seq: number): void {
  position.unacknowledged--
  position.acked = position.unacknowledged === 0 ? position.sent : Math.max(position.acked, seq)
  position.session.moved(position)
  if (!position.isNoted) position.session.acknowledged(position)
}
