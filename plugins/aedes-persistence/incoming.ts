// The half-finished QoS 2 publishes of each client: their packet ids and nothing else. aedes passes
// a message on before PUBREC, so that PUBREL needs only the id, and a payload would be kept for as
// long as a durable client likes.

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

export function makeIncoming(): Incoming {
  const idsOf = new Map<string, Set<number>>()
  return {
    async incomingStorePacket({ id }, { messageId }) {
      if (messageId === undefined) return
      const ids = idsOf.get(id) ?? new Set()
      if (ids.size >= halfFinishedMax && !ids.has(messageId)) {
        throw new Error(`more than ${halfFinishedMax} QoS 2 messages wait for PUBREL`)
      }
      idsOf.set(id, ids.add(messageId))
    },
    async incomingGetPacket({ id }, { messageId }) {
      if (messageId === undefined || !idsOf.get(id)?.has(messageId)) throw unknownPacket()
      return { messageId }
    },
    async incomingDelPacket({ id }, { messageId }) {
      const ids = idsOf.get(id)
      if (messageId === undefined || !ids?.delete(messageId)) throw unknownPacket()
      if (ids.size === 0) idsOf.delete(id)
    },
    async cleanIncoming({ id }) {
      idsOf.delete(id)
    },
  }
}

function unknownPacket(): Error {
  return new Error('no such packet')
}
