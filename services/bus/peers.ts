// The other brokers, as the services see them: tells them what happened here, and hands on what
// happened there. A process without others has `noPeers`, which does nothing.

import type { Entry } from '../../protocol/entry.ts'
import type { Notice, NoticeOf } from './notices.ts'
import { decodeEntries, decodeNotice, encodeEntries, encodeNotice } from './notices.ts'
import type { Bus } from './ports.ts'

/** Who is told: those with a member of a conversation connected, those with a user connected, one
 * broker, or all. */
type Audience =
  | { readonly conversation: string }
  | { readonly user: string }
  | { readonly broker: string }
  | 'all'

export interface Peers {
  /** Whether there are any. */
  readonly isAlone: boolean
  /** Listens to what concerns a conversation or a user; see `Bus.listen`. */
  listen(audience: Audience): Promise<void>
  unlisten(audience: Audience): void
  /** An entry was stored here. Those of one turn go out together. */
  stored(entry: Entry): void
  tell(audience: Audience, notice: Notice): void
  /** Sets who hears of entries that were stored elsewhere; they may come late, twice, out of order
   * or not at all. */
  onEntry(hear: (entry: Entry) => void): void
  /** Sets who hears of notices of a type. */
  on<Type extends Notice['type']>(type: Type, hear: (notice: NoticeOf<Type>) => void): void
  /** False while entries and notices may be missed. */
  isUp(): boolean
  /** Calls back when some may have been missed, and none is any more. */
  onMissed(callback: () => void): void
}

/** No other brokers. */
export const noPeers: Peers = {
  isAlone: true,
  listen: () => Promise.resolve(),
  unlisten() {},
  stored() {},
  tell() {},
  onEntry() {},
  on() {},
  isUp: () => true,
  onMissed() {},
}

const conversationPrefix = 'c/'

export function makePeers(bus: Bus): Peers {
  const hearers = new Map<string, (notice: never) => void>()
  let hearEntry: (entry: Entry) => void = () => {}
  const missed: (() => void)[] = []
  /** Entries of this turn, by conversation. */
  let stored = new Map<string, Entry[]>()

  const emitStored = () => {
    const entries = stored
    stored = new Map()
    for (const [conversation, of] of entries) {
      bus.emit(channelOf({ conversation }), encodeEntries(of))
    }
  }

  const tellMissed = () => {
    for (const callback of missed) callback()
  }

  const tell = (audience: Audience, notice: Notice) =>
    bus.emit(channelOf(audience), encodeNotice(notice))

  bus.onText((channel, text) => {
    if (channel.startsWith(conversationPrefix)) {
      const entries = decodeEntries(channel.slice(conversationPrefix.length), text)
      for (const entry of entries ?? []) hearEntry(entry)
      if (entries !== undefined) return
    }
    const notice = decodeNotice(text)
    if (notice === undefined) return
    if (notice.type === 'missed') tellMissed()
    else hearers.get(notice.type)?.(notice as never)
  })
  bus.onUp(() => {
    // What was emitted here meanwhile was not heard there.
    tell('all', { type: 'missed' })
    tellMissed()
  })
  void bus.listen(channelOf('all'))

  return {
    isAlone: false,
    listen: (audience) => bus.listen(channelOf(audience)),
    unlisten: (audience) => bus.unlisten(channelOf(audience)),
    stored(entry) {
      if (stored.size === 0) queueMicrotask(emitStored)
      const { conversation } = entry
      const entries = stored.get(conversation)
      if (entries === undefined) stored.set(conversation, [entry])
      else entries.push(entry)
    },
    tell,
    onEntry(hear) {
      hearEntry = hear
    },
    on(type, hear) {
      hearers.set(type, hear)
    },
    isUp: bus.isUp,
    onMissed: (callback) => void missed.push(callback),
  }
}

function channelOf(audience: Audience): string {
  if (audience === 'all') return 'all'
  if ('conversation' in audience) return conversationPrefix + audience.conversation
  return 'user' in audience ? `u/${audience.user}` : `b/${audience.broker}`
}
