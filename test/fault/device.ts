// A durable device of a member. It keeps what it gets, one list for each of its connections, and
// then acknowledges it; what it had not kept when it was cut off, it has lost.

import type { IPublishPacket, Packet } from 'mqtt-packet'
import type { DeviceStream, SeenEntry } from './checker.ts'
import { entryOf } from './server-program.ts'
import { connectWire, type WireClient } from './wire-client.ts'

/** What one connection brought. */
interface Inbox {
  readonly kept: SeenEntry[]
  /** Highest position acknowledged by conversation. */
  readonly acknowledged: Map<string, number>
  /** Neither kept nor acknowledged yet. */
  readonly waiting: IPublishPacket[]
  client: WireClient | undefined
}

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

export interface Device {
  /** What it kept. */
  readonly stream: DeviceStream
  /** What came on other topics than `…/msg`. */
  readonly notices: readonly string[]
  connect(port: number): Promise<WireClient>
  /** Keeps and acknowledges what came so far. */
  keep(): void
  /** Highest position it kept of a conversation; 0 when none. */
  head(conversation: string): number
  /** Undefined before the first `connect`. */
  client(): WireClient | undefined
  /** The positions that were acknowledged on the newest connection, as they are now. */
  acknowledged(): ReadonlyMap<string, number>
  /** Says that these acknowledgements are in the store: nothing up to there may come again on the
   * connections that are made from now on. */
  flushed(positions: ReadonlyMap<string, number>): void
}

export interface DeviceOptions {
  readonly user: string
  readonly name: string
  readonly token: string
  readonly conversations: readonly string[]
  /** Entries by payload, shared by all devices: what a thousand deliveries have in common is kept
   * and parsed once. */
  readonly ledger: Map<string, SeenEntry>
  /** How many entries come before it keeps and acknowledges them by itself; 1 if absent. */
  readonly keepEvery?: number
}

export function makeDevice(t: Owner, options: DeviceOptions): Device {
  const { user, name, token, conversations, ledger, keepEvery = 1 } = options
  const connections: SeenEntry[][] = []
  const heads = new Map<string, number>()
  const notices: string[] = []
  const inStore = new Map<string, number>()
  const flushed: ReadonlyMap<string, number>[] = []
  let newest: Inbox | undefined

  const entryFrom = (payload: string): SeenEntry => {
    const entry = ledger.get(payload) ?? entryOf(JSON.parse(payload) as SeenEntry)
    ledger.set(payload, entry)
    return entry
  }

  const keep = ({ client, kept, waiting, acknowledged }: Inbox) => {
    if (!client?.isOpen()) return
    const packets = waiting.splice(0)
    for (const { payload } of packets) {
      const entry = entryFrom(payload.toString())
      kept.push(entry)
      raise(heads, entry.conversation, entry.seq)
      raise(acknowledged, entry.conversation, entry.seq)
    }
    client.send(packets.map(({ messageId = 0 }) => ({ cmd: 'puback', messageId })))
  }

  const hear = (inbox: Inbox, packets: readonly Packet[]) => {
    for (const packet of packets) {
      if (packet.cmd !== 'publish') continue
      if (packet.topic.endsWith('/msg')) inbox.waiting.push(packet)
      else notices.push(`${packet.topic} ${packet.payload}`)
    }
    if (inbox.waiting.length >= keepEvery) keep(inbox)
  }

  return {
    stream: { device: `${user}/${name}`, conversations, connections, flushed },
    notices,
    async connect(port) {
      const inbox: Inbox = { kept: [], acknowledged: new Map(), waiting: [], client: undefined }
      newest = inbox
      connections.push(inbox.kept)
      flushed.push(new Map(inStore))
      const heard = (packets: readonly Packet[]) => hear(inbox, packets)
      inbox.client = await connectWire(t, { port, user, token, device: name, heard })
      hear(inbox, [])
      return inbox.client
    },
    keep: () => newest && keep(newest),
    head: (conversation) => heads.get(conversation) ?? 0,
    client: () => newest?.client,
    acknowledged: () => new Map(newest?.acknowledged),
    flushed(positions) {
      for (const [conversation, seq] of positions) raise(inStore, conversation, seq)
    },
  }
}

function raise(positions: Map<string, number>, conversation: string, seq: number): void {
  positions.set(conversation, Math.max(seq, positions.get(conversation) ?? 0))
}
