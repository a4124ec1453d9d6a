// What one connection of the fuzzer does, as a value: the packets it sends, the damage done to
// them, the pieces they come in, and how it ends.

import fc from 'fast-check'
import type { Packet } from 'mqtt-packet'
import mqtt from 'mqtt-packet'
import type { Level } from '../../broker/edge/reader.ts'
import { generate } from '../broker/edge/support/properties.ts'
import type { Mutation } from './mutations.ts'
import { mutate, mutation } from './mutations.ts'
import type { ClientPacket, Vocabulary } from './packets.ts'
import { connectPacket, disconnectPacket, innerPacket } from './packets.ts'
import { part } from './values.ts'

/** `webSocket`: sound frames. `brokenWebSocket`: the bytes of the frames are damaged too. */
export type Transport = 'tcp' | 'webSocket' | 'brokenWebSocket'

/** `disconnect`: says DISCONNECT. `close`: closes its side. `cut`: resets. `wait`: does nothing. */
type Ending = 'disconnect' | 'close' | 'cut' | 'wait'

export interface Script {
  readonly level: Level
  readonly transport: Transport
  readonly packets: readonly Buffer[]
  /** The stream is what a sound client sends, as far as its bytes go. */
  readonly isSound: boolean
  /** Where it is cut into pieces, as parts of the whole. */
  readonly cuts: readonly number[]
  readonly frameDamage: readonly Mutation[]
  /** Whether what comes is read before everything is sent. */
  readonly readsLate: boolean
  readonly ending: Ending
}

export interface Login {
  readonly user: string
  /** Undefined where anybody may connect. */
  readonly token: string | undefined
}

/** A session that was recorded: its packets from CONNECT on. */
export interface Recording {
  readonly level: Level
  readonly packets: readonly Packet[]
}

export interface Material {
  readonly levels: readonly Level[]
  readonly words: Vocabulary
  readonly logins: readonly Login[]
  readonly recordings: readonly Recording[]
}

type Session = Pick<Script, 'level' | 'packets'> & { readonly ending: Ending }

const ending = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Ending>('disconnect', 'close') },
  { weight: 1, arbitrary: fc.constantFrom<Ending>('cut', 'wait') },
)

/** Scripts of every kind. */
export function anyScript(material: Material): fc.Arbitrary<Script> {
  const session = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom(...material.levels).chain((it) => generated(it, material)),
    },
    { weight: 1, arbitrary: recorded(material) },
  )
  return fc
    .record({
      session,
      transport: fc.constantFrom<Transport>('tcp', 'tcp', 'webSocket', 'brokenWebSocket'),
      mutations: fc.oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        { weight: 3, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 6 }) },
      ),
      cuts: fc.array(part, { maxLength: 8 }),
      frameDamage: fc.array(mutation, { minLength: 1, maxLength: 3 }),
      readsLate: fc.nat(7).map((it) => it === 0),
    })
    .map(({ session, mutations, transport, ...rest }) => ({
      ...rest,
      ...session,
      transport,
      packets: mutate(session.packets, mutations),
      isSound: mutations.length === 0 && transport !== 'brokenWebSocket',
    }))
}

function generated(level: Level, { words, logins }: Material): fc.Arbitrary<Session> {
  return fc
    .record({
      connect: connectPacket(level, words),
      login: fc.constantFrom(...logins),
      inner: fc.array(innerPacket(level, words), { maxLength: 40, size: 'max' }),
      disconnect: disconnectPacket(level),
      ending,
    })
    .map(({ connect, login, inner, disconnect, ending }) => {
      const packets = [withLogin(connect, login), ...inner]
      if (ending === 'disconnect') packets.push(disconnect)
      return { level, ending, packets: packets.map((packet) => generate(packet, level)) }
    })
}

/** A recorded session under a login of ours. */
function recorded({ recordings, logins }: Material): fc.Arbitrary<Session> {
  return fc
    .record({ recording: fc.constantFrom(...recordings), login: fc.constantFrom(...logins) })
    .map(({ recording: { level, packets }, login }) => ({
      level,
      ending: packets.at(-1)?.cmd === 'disconnect' ? ('disconnect' as const) : ('close' as const),
      packets: packets.map((packet) =>
        mqtt.generate(withLogin(packet, login), { protocolVersion: level }),
      ),
    }))
}

function withLogin<Any extends ClientPacket | Packet>(packet: Any, { user, token }: Login): Any {
  if (packet.cmd !== 'connect' || token === undefined) return packet
  return { ...packet, username: user, password: Buffer.from(token) }
}
