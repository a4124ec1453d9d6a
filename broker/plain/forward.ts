// Whether a message of aedes goes to a client, and how: as the client's filters that match it want
// it, in the form that the client's level of MQTT has.

import type { Client } from 'aedes'
import { writeWithRetain } from './adaptation.ts'
import type { PlainClient } from './client.ts'
import type { Note } from './note.ts'
import { readNote, writeLevel5 } from './note.ts'
import type { Forwarded } from './ports.ts'

interface ForwardParts {
  readonly now: () => number
  /** Whether the queue of a client is being sent: what is new joins it. */
  isDraining(clientId: string, packet: Forwarded): boolean
}

type Forward = (plain: PlainClient, client: Client, packet: Forwarded) => Forwarded | null

/** Makes what returns a packet as it is to be written, or null when the client does not get it. */
export function makeForward({ now, isDraining }: ForwardParts): Forward {
  const read = makeReader()
  return (plain, client, packet) => {
    const { introduction, granted } = plain
    const { topic, qos, retain, messageId } = packet
    if (!introduction.maySubscribe(topic)) return null
    const message = read(packet)
    const { note } = message
    // What was sent before is sent until it is answered [MQTT5-4.3.3-7].
    if (!packet.dup && note.expiresAt !== undefined && note.expiresAt <= now()) return null
    const wishes = granted.wishesFor(topic, packet.clientId === client.id)
    if (wishes.isUnwanted) return null
    if (introduction.level === 5) {
      // A retained message was asked for by one filter.
      const asked = note.identifier === undefined ? none : [note.identifier]
      const identifiers = retain ? asked : wishes.identifiers
      const payload = message.forLevel5(now(), identifiers)
      if (!plain.mayHold({ topic, qos, payload })) return null
      packet.payload = payload
    } else {
      packet.payload = note.payload
    }
    // What waited for the client has a packet id already. It comes one after the other, as fast as
    // it is read, and so do retained messages.
    if (messageId === undefined) {
      if (qos > 0 && isDraining(client.id, packet)) return null
      if (!plain.hasIdFor(qos) || !(retain || plain.hasRoomFor(qos))) return null
    }
    if (retain) plain.retainedComes()
    else if (note.retain && wishes.retainAsPublished) writeWithRetain(client, packet)
    return packet
  }
}

interface Message {
  readonly note: Note
  /** The rest of a PUBLISH of level 5. */
  forLevel5(now: number, identifiers: readonly number[]): Buffer
}

/** Reads messages; one that goes to many clients, once. */
function makeReader(): (packet: Forwarded) => Message {
  let latest: { readonly payload: unknown; readonly message: Message } | undefined
  return ({ topic, payload }) => {
    if (latest?.payload === payload) return latest.message
    const bytes = payload as Buffer
    // aedes itself tells of clients and subscriptions, and writes no notes.
    const isBare = topic.startsWith('$SYS/')
    const message = makeMessage(readNote(isBare ? Buffer.concat([noNote, bytes]) : bytes))
    latest = { payload, message }
    return message
  }
}

function makeMessage(note: Note): Message {
  let usual: Buffer | undefined
  return {
    note,
    forLevel5(now, identifiers) {
      const isUsual = identifiers.length === 0 && note.expiresAt === undefined
      if (!isUsual) return writeLevel5(note, { now, identifiers })
      usual ??= writeLevel5(note, { now, identifiers })
      return usual
    },
  }
}

const none: readonly number[] = []
const noNote = Buffer.of(0)
