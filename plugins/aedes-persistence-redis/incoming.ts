// The half-finished QoS 2 publishes of each device: a set of packet ids, `incoming:<id>`, removed
// with the session. aedes passes a message on before PUBREC, so that PUBREL needs only the id.

import type { Connection } from './scripts.ts'

interface ClientRef {
  readonly id: string
}

interface IncomingPacket {
  readonly messageId?: number | undefined
}

export interface Incoming {
  /** Rejects, which ends the connection, when too many of the client are half-finished. */
  incomingStorePacket(client: ClientRef, packet: IncomingPacket): Promise<void>
  /** Rejects if the packet is not known. */
  incomingGetPacket(client: ClientRef, packet: IncomingPacket): Promise<IncomingPacket>
  /** Rejects if the packet is not known. */
  incomingDelPacket(client: ClientRef, packet: IncomingPacket): Promise<void>
  cleanIncoming(client: ClientRef): Promise<void>
}

/** As many as aedes takes of one connection; here of all connections of a durable client. */
const halfFinishedMax = 1000

export const incomingKey = (clientId: string) => `incoming:${clientId}`

export function makeIncoming(redis: Connection): Incoming {
  return {
    async incomingStorePacket({ id }, { messageId }) {
      if (messageId === undefined) return
      const key = incomingKey(id)
      const [isNew, count] = await Promise.all([redis.sadd(key, messageId), redis.scard(key)])
      if (isNew === 0 || count <= halfFinishedMax) return
      await redis.srem(key, messageId)
      throw new Error(`more than ${halfFinishedMax} QoS 2 messages wait for PUBREL`)
    },
    async incomingGetPacket({ id }, { messageId = 0 }) {
      if ((await redis.sismember(incomingKey(id), messageId)) === 0) throw unknownPacket()
      return { messageId }
    },
    async incomingDelPacket({ id }, { messageId = 0 }) {
      if ((await redis.srem(incomingKey(id), messageId)) === 0) throw unknownPacket()
    },
    async cleanIncoming({ id }) {
      await redis.del(incomingKey(id))
    },
  }
}

function unknownPacket(): Error {
  return new Error('no such packet')
}
