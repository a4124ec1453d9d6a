// Who hears of a change of membership that was committed here: sessions that are connected here,
// the counts of members, and other brokers. And of one that was committed there.

import type { Conversation } from '../../protocol/entry.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Peers } from '../bus/peers.ts'
import { noPeers } from '../bus/peers.ts'
import type { MembershipChange } from '../conversations/conversations.ts'
import type { Log } from '../log/log.ts'
import type { Engine } from './engine.ts'
import { makeFollow } from './follow.ts'

export interface MembershipNews {
  /** To be told of each committed change. */
  announce(change: MembershipChange): void
  /** To be told of each group that got another title. */
  renamed(conversation: Conversation): void
}

interface MembershipNewsParts {
  readonly engine: Pick<Engine, 'membershipChanged' | 'recheck' | 'renamed' | 'room'>
  readonly attempt: Log['attempt']
  readonly logger: Logger
  /** The other brokers; absent if there are none. */
  readonly peers?: Peers
}

/** Makes the news. However many members join at once, their conversation is looked at once. */
export function makeMembershipNews(parts: MembershipNewsParts): MembershipNews {
  const { engine, attempt, logger, peers = noPeers } = parts
  const follow = makeFollow({ membershipChanged: engine.membershipChanged, attempt })
  /** What follows the changes of this turn, by conversation. */
  let gathered = new Map<string, Promise<void>[]>()

  const late = (err: unknown) => {
    logger.warn({ err }, 'a membership change reaches connected devices when they reconnect')
  }

  /** One of the members who are connected stands for all: the store tells the rest. */
  const recheckRoom = async (conversation: string) => {
    await attempt(async () => {
      const [someone] = engine.room(conversation)?.members ?? []
      if (someone !== undefined) await engine.recheck(conversation, someone.user)
    })
  }

  const settle = () => {
    const changes = gathered
    gathered = new Map()
    for (const [conversation, following] of changes) {
      peers.tell({ conversation }, { type: 'changed', conversation })
      Promise.all(following)
        .then(() => recheckRoom(conversation))
        .catch(late)
    }
  }

  peers.on('membership', ({ user, conversation }) => {
    attempt(() => engine.recheck(conversation, user)).catch(late)
  })
  peers.on('changed', ({ conversation }) => {
    recheckRoom(conversation).catch(late)
  })

  return {
    announce(change) {
      const { conversation } = change
      const followed = follow(change)
      if (gathered.size === 0) setImmediate(settle)
      const following = gathered.get(conversation)
      if (following === undefined) gathered.set(conversation, [followed])
      else following.push(followed)
    },
    renamed(conversation) {
      engine.renamed(conversation)
      const { id } = conversation
      peers.tell({ conversation: id }, { type: 'changed', conversation: id })
    },
  }
}
