// Whether a message of aedes goes to a client, and how: as the client's filters that match it want
// it, in the form that the client's level of MQTT has.

import type { Client } from 'aedes'
import type { Forwarded } from './plain-adaptation.ts'
import { writeWithRetain } from './plain-adaptation.ts'
import type { PlainClient } from './plain-client.ts'
import type { Note } from './plain-note.ts'
import { readNote, writeLevel5 } from './plain-note.ts'

interface ForwardParts {
  readonly now: () => number
  /** Whether the queue of a client is being sent: what is new joins it. */
  isDraining(clientId: string): boolean
}

type Forward = (plain: PlainClient, client: Client, packet: Forwarded) => Forwarded | null

/** Makes what returns a packet as it is to be written, or null when the client does not get it. */
export function makeForward({ now, isDraining }: ForwardParts): Forward {
  return (plain, client, packet) => {
    const { introduction, granted } = plain
    const { topic, qos, retain, messageId } = packet
    if (!introduction.maySubscribe(topic)) return null
    const note = noteOf(packet)
    // What was sent before is sent until it is answered [MQTT5-4.3.3-7].
    if (!packet.dup && note.expiresAt !== undefined && note.expiresAt <= now()) return null
    const wishes = granted.wishesFor(topic, packet.clientId === client.id)
    if (wishes.isUnwanted) return null
    // A retained message was asked for by one filter.
    const asked = note.identifier === undefined ? [] : [note.identifier]
    const identifiers = retain ? asked : wishes.identifiers
    const isLevel5 = introduction.level === 5
    const payload = isLevel5 ? writeLevel5(note, { now: now(), identifiers }) : note.payload
    if (!plain.mayHold({ topic, qos, payload })) return null
    // What waited for the client has a packet id already. It comes one after the other, as fast as
    // it is read, and so do retained messages.
    if (messageId === undefined) {
      if (qos > 0 && isDraining(client.id)) return null
      if (!plain.hasIdFor(qos) || !(retain || plain.hasRoomFor(qos))) return null
    }
    packet.payload = payload
    if (retain) plain.retainedComes()
    else if (note.retain && wishes.retainAsPublished) writeWithRetain(client, packet)
    return packet
  }
}

/** aedes itself tells of clients and subscriptions, and writes no notes. */
function noteOf({ topic, payload }: Forwarded): Note {
  const bytes = payload as Buffer
  return readNote(topic.startsWith('$SYS/') ? Buffer.concat([noNote, bytes]) : bytes)
}

const noNote = Buffer.of(0)
