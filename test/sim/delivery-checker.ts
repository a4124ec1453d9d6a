// The receivers' half of the checker: what each device got, against what it must get. It sees
// commits, joins and departures, packets as the device sends and receives them, and stored cursors.

import type { Track } from './track.ts'
import { loosen, makeTrack, tighten } from './track.ts'
import { makeTruth } from './truth.ts'

/** A device, as far as what it must get depends on it. */
export interface DeviceFacts {
  readonly user: string
  /** `user/device` */
  readonly name: string
  readonly qos: 0 | 1
  /** A device with `clean=true` starts anew with each connection. */
  readonly clean: boolean
}

/** What a subscription covers: direct conversations, or groups. */
export type Kind = 'd' | 'g'

interface Delivered {
  readonly conversation: string
  readonly seq: number
  readonly key: string
  readonly qos: number
  readonly dup: boolean
  readonly packetId: number
}

/** One connection of a device, as the checker follows it. */
export interface Watched {
  readonly facts: DeviceFacts
  /** Counts connections and joins: which came first. */
  readonly began: number
  /** By conversation: the cursor that was stored when the connection began. */
  readonly floors: ReadonlyMap<string, number>
  /** By conversation: the head when the server had answered the CONNECT. */
  heads: ReadonlyMap<string, number>
  /** By conversation: the last position, and the version of its track. */
  readonly last: Map<string, { readonly seq: number; readonly version: number }>
  /** By packet id: what is not acknowledged. */
  readonly pending: Map<number, Delivered>
}

export interface DeliveryChecker {
  committed(entry: Pick<Delivered, 'conversation' | 'seq' | 'key'>): void
  /** The server has been told of an entry: who subscribes now starts behind it. */
  announced(entry: Pick<Delivered, 'conversation' | 'seq'>): void
  /** The user is a member, and gets what comes after a position. */
  joined(user: string, conversation: string, after: number): void
  /** The user's removal is stored: the server will hear of it. */
  leaving(user: string, conversation: string): void
  /** Nothing that is stored from now on may reach the user. */
  left(user: string, conversation: string): void
  /** CONNECT goes out. */
  connecting(facts: DeviceFacts): Watched
  /** CONNACK came. */
  connected(watched: Watched): void
  /** SUBSCRIBE, UNSUBSCRIBE go out. Returns what to call when the answer comes. */
  subscribing(facts: DeviceFacts, kind: Kind): () => void
  unsubscribing(facts: DeviceFacts, kind: Kind): () => void
  delivered(watched: Watched, delivered: Delivered): void
  /** PUBACK goes out. */
  acknowledged(watched: Watched, packetId: number): void
  /** The store holds this cursor now. */
  cursorStored(facts: DeviceFacts, conversation: string, acked: number): void
  /** From now on everything that was acknowledged counts as flushed. */
  allIsFlushed(): void
  /** What a connected device should have got, and has not. */
  missing(watched: Watched): readonly string[]
}

export interface DeliveryCheckerOptions {
  readonly windowEntriesMax: number
  /** Whether the server never forgets what it has sent, so that all that comes again has DUP. */
  readonly isDupCertain: boolean
}

type SubscriptionState = 'none' | 'asking' | 'held' | 'dropping'

interface Device {
  readonly facts: DeviceFacts
  readonly states: Record<Kind, SubscriptionState>
  /** How many requests there were: an answer to an earlier one than the last says nothing. */
  readonly requests: Record<Kind, number>
  /** Whether its newest CONNECT was answered. */
  isConnected: boolean
  readonly tracks: Map<string, Track>
  readonly cursors: Map<string, number>
}

const kindOf = (conversation: string) => conversation[0] as Kind

/** Makes the checker; it calls `report` for each violation. */
export function makeDeliveryChecker(
  report: (violation: string) => void,
  options: DeliveryCheckerOptions,
): DeliveryChecker {
  const truth = makeTruth()
  const devices = new Map<string, Device>()
  /** By conversation: the newest position that was announced. */
  const announced = new Map<string, number>()
  let isAllFlushed = false
  let moment = 0

  const deviceOf = (facts: DeviceFacts): Device => {
    const known = devices.get(facts.name)
    if (known !== undefined) return known
    const states: Device['states'] = { d: 'none', g: 'none' }
    const requests = { d: 0, g: 0 }
    const device: Device = {
      facts,
      states,
      requests,
      isConnected: false,
      tracks: new Map(),
      cursors: new Map(),
    }
    devices.set(facts.name, device)
    for (const id of truth.heads().keys()) trackOf(device, id)
    return device
  }

  const trackOf = ({ tracks }: Device, conversation: string): Track => {
    const track = tracks.get(conversation) ?? makeTrack()
    tracks.set(conversation, track)
    return track
  }

  const tracksOf = (user: string, conversation: string) =>
    [...devices.values()]
      .filter(({ facts }) => facts.user === user)
      .map((device) => trackOf(device, conversation))

  const atHead = (track: Track, conversation: string) => tighten(track, truth.headOf(conversation))

  const request = ({ requests }: Device, kind: Kind) => {
    requests[kind]++
    const number = requests[kind]
    return () => requests[kind] === number
  }

  const forKind = (device: Device, kind: Kind, work: (track: Track, id: string) => void) => {
    for (const [id, track] of device.tracks) if (kindOf(id) === kind) work(track, id)
  }

  const checkContent = (name: string, { conversation, seq, key }: Delivered) => {
    const stored = truth.keyAt(conversation, seq)
    if (stored === key) return
    report(`${name}: ${conversation} ${seq} is ${key}, but the log holds ${stored}`)
  }

  const checkMembership = ({ user, name }: DeviceFacts, { conversation, seq }: Delivered) => {
    if (truth.maySee(user, conversation, seq)) return
    report(`${name}: ${conversation} ${seq}, but ${user} is no member there`)
  }

  const checkOrder = (watched: Watched, track: Track, { conversation, seq }: Delivered) => {
    const isHeld = deviceOf(watched.facts).states[kindOf(conversation)] === 'held'
    const place = `${watched.facts.name}: ${conversation} ${seq}`
    const last = watched.last.get(conversation)
    if (seq === (last?.seq ?? Number.NaN) + 1) return
    if (last !== undefined && seq <= last.seq) return report(`${place} after ${last.seq}`)
    if (isHeld && last?.version === track.version) return report(`${place} follows ${last.seq}`)
    if (seq > track.max) return report(`${place}, but ${track.max} is missing`)
    // The server may hear of a membership late, and begins where the user joined.
    const isJoin = truth.joinedAfter(watched.facts.user, conversation) === seq - 1
    if (seq > track.received && seq < track.min && !isJoin)
      report(`${place} is older than the subscription`)
  }

  const checkRepetition = (watched: Watched, track: Track, delivered: Delivered) => {
    const { conversation, seq, dup } = delivered
    const { name, qos } = watched.facts
    const head = watched.heads.get(conversation) ?? 0
    if (dup && seq > head) report(`${name}: ${conversation} ${seq} is DUP, and was never sent`)
    if (seq > track.received) return
    const isFlushed = isAllFlushed || seq <= (watched.floors.get(conversation) ?? 0)
    if (qos === 0 || isFlushed) report(`${name}: ${conversation} ${seq} is repeated`)
    if (qos === 1 && !dup && options.isDupCertain) {
      report(`${name}: ${conversation} ${seq} is repeated without DUP`)
    }
  }

  const checkPacket = ({ facts, pending }: Watched, delivered: Delivered) => {
    const { conversation, seq, qos, packetId } = delivered
    const place = `${facts.name}: ${conversation} ${seq}`
    if (qos !== facts.qos) report(`${place} at QoS ${qos}`)
    if (qos === 0) return
    if (packetId === 0 || pending.has(packetId)) {
      report(`${place} has packet id ${packetId}, which is not free`)
    }
    pending.set(packetId, delivered)
    if (pending.size > options.windowEntriesMax) {
      report(`${place}: ${pending.size} are unacknowledged`)
    }
  }

  return {
    committed({ conversation, seq, key }) {
      const next = truth.append(conversation, key)
      if (seq !== next) report(`${conversation} ${seq} is stored after ${next - 1}`)
    },
    announced({ conversation, seq }) {
      announced.set(conversation, Math.max(announced.get(conversation) ?? 0, seq))
    },
    joined(user, conversation, after) {
      truth.join(user, conversation, after)
      for (const device of devices.values()) {
        if (device.facts.user !== user) continue
        const track = trackOf(device, conversation)
        track.joinedAt = ++moment
        loosen(track, after + 1)
        if (device.states[kindOf(conversation)] !== 'held') continue
        // At QoS 0 it starts at the head when it comes, which is not there yet.
        if (device.facts.qos === 0 && !device.isConnected) continue
        track.max = after + 1
        track.base = after
      }
    },
    leaving(user, conversation) {
      for (const track of tracksOf(user, conversation)) {
        track.staleMax = Number.POSITIVE_INFINITY
        track.joinedAt = Number.POSITIVE_INFINITY
      }
    },
    left(user, conversation) {
      truth.leave(user, conversation)
      for (const track of tracksOf(user, conversation)) {
        track.staleMax = truth.headOf(conversation)
        loosen(track, track.min)
      }
      for (const { facts, cursors } of devices.values()) {
        if (facts.user === user) cursors.delete(conversation)
      }
    },
    connecting(facts) {
      const device = deviceOf(facts)
      const floors = new Map(device.cursors)
      device.isConnected = false
      if (facts.clean) Object.assign(device.states, { d: 'none', g: 'none' })
      // At QoS 0 nothing is kept for an absent device: it goes on at the head.
      if (facts.qos === 0) for (const track of device.tracks.values()) loosen(track, track.min)
      return {
        facts,
        began: ++moment,
        floors,
        heads: new Map(),
        last: new Map(),
        pending: new Map(),
      }
    },
    connected(watched) {
      watched.heads = truth.heads()
      const device = deviceOf(watched.facts)
      device.isConnected = true
      if (watched.facts.qos > 0) return
      for (const kind of ['d', 'g'] as const) {
        if (device.states[kind] === 'held') forKind(device, kind, atHead)
      }
    },
    subscribing(facts, kind) {
      const device = deviceOf(facts)
      const before = device.states[kind]
      const isLatest = request(device, kind)
      if (before !== 'held') device.states[kind] = 'asking'
      if (before === 'none') {
        forKind(device, kind, (track, id) => loosen(track, (announced.get(id) ?? 0) + 1))
      }
      return () => {
        if (!isLatest() || device.states[kind] !== 'asking') return
        device.states[kind] = 'held'
        forKind(device, kind, atHead)
      }
    },
    unsubscribing(facts, kind) {
      const device = deviceOf(facts)
      const isLatest = request(device, kind)
      if (device.states[kind] !== 'none') {
        device.states[kind] = 'dropping'
        forKind(device, kind, (track) => loosen(track, track.min))
      }
      return () => {
        if (isLatest() && device.states[kind] === 'dropping') device.states[kind] = 'none'
      }
    },
    delivered(watched, delivered) {
      const { conversation, seq } = delivered
      const { facts } = watched
      const device = deviceOf(facts)
      const track = trackOf(device, conversation)
      checkContent(facts.name, delivered)
      checkMembership(facts, delivered)
      const state = device.states[kindOf(conversation)]
      if (state === 'none') {
        report(`${facts.name}: ${conversation} ${seq}, which it does not subscribe to`)
      }
      const isStale = seq <= track.staleMax && watched.began < track.joinedAt
      if (!isStale) {
        checkOrder(watched, track, delivered)
        checkRepetition(watched, track, delivered)
      }
      checkPacket(watched, delivered)
      watched.last.set(conversation, { seq, version: isStale ? -1 : track.version })
      if (seq >= track.min) {
        track.min = seq + 1
        // While a request is under way the next one may follow a jump.
        if (state === 'held') track.max = seq + 1
        if (state === 'held') track.base = Math.min(track.base, seq - 1)
      }
      track.received = Math.max(track.received, seq)
    },
    acknowledged(watched, packetId) {
      const { conversation, seq } = watched.pending.get(packetId) as Delivered
      watched.pending.delete(packetId)
      trackOf(deviceOf(watched.facts), conversation).acknowledged.add(seq)
    },
    cursorStored(facts, conversation, acked) {
      const device = deviceOf(facts)
      const track = trackOf(device, conversation)
      device.cursors.set(conversation, acked)
      if (facts.qos === 0) return
      for (let seq = track.base + 1; seq <= acked; seq++) {
        if (track.acknowledged.has(seq)) continue
        report(
          `${facts.name}: the cursor of ${conversation} is ${acked}, ${seq} is not acknowledged`,
        )
        return
      }
    },
    allIsFlushed() {
      isAllFlushed = true
    },
    missing({ facts }) {
      const { tracks, states } = deviceOf(facts)
      return [...tracks].flatMap(([id, { min, max }]) => {
        if (!truth.isMember(facts.user, id) || states[kindOf(id)] !== 'held') return []
        const next = truth.headOf(id) + 1
        if (max >= next && min <= next) return []
        return [`${facts.name}: ${id} has ${next - 1} entries, it waits for ${max}`]
      })
    },
  }
}
