// QoS 1 messages without an id of their own that come again on a device's next connection: found
// among records of what its last connections brought, so that they are stored once where that can
// be known. In memory, within bounds: what is not found is stored again, which QoS 1 allows.
//
// To take a new message for an old one would lose it, and is the error to avoid: many clients give
// a packet id again as soon as it is free, so that "the same id, the same content, DUP" is not
// enough. What is certain is that an id is not given again before its PUBACK came:
//
// - A PUBACK that never left here (the connection ended before the commit) cannot have come. Such a
//   record is believed.
// - One that was written may have been lost on the way, as happens whenever a phone loses its
//   network. Its record is dropped when the client evidently has the PUBACK: it acknowledged a
//   delivery written after it, or is still heard a minute later. And it is believed only of clients
//   that count their ids up, as most do: of their 65,535 ids one comes again only after the record
//   was overwritten. Who counts up is seen by ids that grow though lower ones are free.

import { packetIdMax } from '../services/delivery/window.ts'

/** Records of one device; at most that many of its last publishes are recognised. */
const recordsMax = 64
/** Ids that must have grown, one after the other, to say that a client counts up. */
const growthsMin = 3
/** Rounds (seconds) after which a client that is still heard must have its PUBACK. */
const roundsMax = 60

/** The first id of a device is not higher than this. */
const idMax = 65_535

// A record is four numbers of the ring.
const packetIdAt = 0
const fingerprintAt = 1
const fateAt = 2
const deliveredAt = 3
const recordLength = 4

// Fates. From `answered` on: the PUBACK was written, and the round in which that was.
const dropped = -1
const pending = 0
const unanswered = 1
const answered = 2

/** `stored`: acknowledge it, and do not store it again. `pending`: what it repeats waits for its
 * commit; ask again when it is settled. `unknown`: store it. */
export type Finding = 'stored' | 'pending' | 'unknown'

/** What the last publishes of one device were, over its connections. Packet ids and fingerprints
 * are small integers in one ring: a record costs no allocation. */
export class PublishRecords {
  readonly #ring = new Int32Array(recordsMax * recordLength)
  // Records are numbered 0, 1, 2, …; each of these is a number of one, in ascending order.
  /** Those below are of no use. */
  #oldest = 0
  /** First one of the connection there is now. */
  #first = 0
  /** First one of this connection whose PUBACK may not have come. */
  #open = 0
  #next = 0
  /** Last packet id of a new publish, and how often in a row it was higher than the one before. */
  #lastId = idMax
  #growths = 0
  /** First record since the ids began anew. */
  #countedFrom = 0
  /** Whether the client counted up on its earlier connections. */
  #isCounting = false
  #whenSettled: (() => void) | undefined

  /** A new connection of the device; all of the last one is past. */
  connected(): void {
    this.#first = this.#next
    this.#open = this.#next
    this.#isCounting = this.#growths >= growthsMin
    this.#whenSettled = undefined
  }

  /** The connection is over. In rounds: when it was opened, and when it was last heard. */
  disconnected(openedIn: number, heardIn: number): void {
    // Who sends again does so at once.
    if (heardIn - openedIn > roundsMax) this.#oldest = this.#first
    for (; this.#open < this.#next; this.#open++) {
      const fate = this.#read(this.#open, fateAt)
      if (fate < answered || heardIn - (fate - answered) <= roundsMax) return
      this.#drop(this.#open)
    }
  }

  /** A new publish uses this packet id; `isIdle` when all before it were answered. */
  used(packetId: number, isIdle: boolean): void {
    if (packetId <= this.#lastId) {
      this.#growths = 0
      this.#countedFrom = this.#next
    } else if (isIdle) {
      this.#growths++
    }
    this.#lastId = packetId
  }

  /** Records a publish that waits for its commit; returns its number. */
  note(packetId: number, fingerprint: number): number {
    const at = (this.#next % recordsMax) * recordLength
    this.#ring[at + packetIdAt] = packetId
    this.#ring[at + fingerprintAt] = fingerprint
    this.#ring[at + fateAt] = pending
    if (this.#next - this.#open === recordsMax) this.#open++
    return this.#next++
  }

  /** The publish was stored, and its PUBACK written in this round, after the delivery with this
   * packet id. */
  answered(record: number, round: number, delivered: number): void {
    this.#settle(record, answered + round)
    if (this.#isKept(record)) this.#ring[this.#at(record) + deliveredAt] = delivered
  }

  /** The publish was stored, and its connection ended before the PUBACK. */
  unanswered(record: number): void {
    this.#settle(record, unanswered)
  }

  /** The publish was not stored. */
  failed(record: number): void {
    this.#settle(record, dropped)
  }

  /** The client acknowledged a delivery: it has all PUBACKs that were written before that. */
  heard(delivered: number): void {
    for (; this.#open < this.#next; this.#open++) {
      if (this.#read(this.#open, fateAt) < answered) return
      if (!isAfter(delivered, this.#read(this.#open, deliveredAt))) return
      this.#drop(this.#open)
    }
  }

  /** What a publish with DUP repeats. One that is found `stored` is not found again. */
  find(packetId: number, fingerprint: number): Finding {
    for (let record = this.#next - 1; this.#isKept(record); record--) {
      if (this.#read(record, packetIdAt) !== packetId) continue
      // Used on this connection already: what was under it before is done.
      if (record >= this.#first) return 'unknown'
      const fate = this.#read(record, fateAt)
      if (fate === dropped || this.#read(record, fingerprintAt) !== fingerprint) return 'unknown'
      if (fate === pending) return 'pending'
      const isCounted = this.#isCounting && record >= this.#countedFrom
      if (fate >= answered && !isCounted) return 'unknown'
      this.#drop(record)
      return 'stored'
    }
    return 'unknown'
  }

  /** Calls once, when the next publish of an earlier connection is settled. */
  onSettled(callback: () => void): void {
    this.#whenSettled = callback
  }

  #settle(record: number, fate: number): void {
    if (this.#isKept(record)) this.#ring[this.#at(record) + fateAt] = fate
    const callback = this.#whenSettled
    this.#whenSettled = undefined
    callback?.()
  }

  #isKept(record: number): boolean {
    return record >= this.#oldest && record >= this.#next - recordsMax && record >= 0
  }

  #drop(record: number): void {
    if (this.#isKept(record)) this.#ring[this.#at(record) + fateAt] = dropped
  }

  #at(record: number): number {
    return (record % recordsMax) * recordLength
  }

  #read(record: number, field: number): number {
    return this.#ring[this.#at(record) + field] as number
  }
}

/** Whether a delivery was sent after another; ids go round. */
function isAfter(packetId: number, other: number): boolean {
  const distance = (packetId - other + packetIdMax) % packetIdMax
  return distance > 0 && distance <= packetIdMax / 2
}

export interface Retransmissions {
  /** The records of a device that is back; undefined when there are none. */
  recall(device: string): PublishRecords | undefined
  /** Begins to keep records of a device. */
  begin(device: string): PublishRecords
  forget(device: string): void
}

/** Makes the records of all devices, by a name of the caller's; those of the `devicesMax` that
 * connected last are kept, 1 KiB each. */
export function makeRetransmissions(devicesMax: number): Retransmissions {
  // In the order in which they connected.
  const devices = new Map<string, PublishRecords>()
  const keep = (device: string, records: PublishRecords) => {
    devices.delete(device)
    devices.set(device, records)
    const [first] = devices.keys()
    if (devices.size > devicesMax && first !== undefined) devices.delete(first)
  }
  return {
    recall(device) {
      const records = devices.get(device)
      if (records !== undefined) keep(device, records)
      return records
    },
    begin(device) {
      const records = new PublishRecords()
      keep(device, records)
      return records
    },
    forget: (device) => void devices.delete(device),
  }
}
