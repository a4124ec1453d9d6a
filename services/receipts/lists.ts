// Lists of what a user has not read, for who asks: counted once at a time for each user, and for a
// bounded number of users.

import type { Clock } from '../../protocol/clock.ts'
import { Refusal } from '../../protocol/errors.ts'
import type { ConversationStore, Membership } from '../conversations/ports.ts'
import type { CountEntries } from './counting.ts'

/** A conversation with what its member has not read; `mutedUntil` is 0 when that has passed. */
export interface UnreadConversation extends Membership {
  readonly unread: number
}

export interface UnreadList {
  /** The sum over the conversations that are not muted now. */
  readonly badge: number
  /** All conversations of the user, ordered by id. */
  readonly conversations: readonly UnreadConversation[]
}

interface ListsParts {
  readonly conversations: Pick<ConversationStore, 'membershipsOf'>
  readonly count: CountEntries
  readonly clock: Clock
}

/** Makes the lists, those of at most `usersMax` users at a time; more are `rate-limited`. Who asks
 * while the user's list is being counted gets that one. */
export function makeLists(
  { conversations, count, clock }: ListsParts,
  usersMax: number,
): (user: string) => Promise<UnreadList> {
  const underWay = new Map<string, Promise<UnreadList>>()

  const withUnread = async (user: string, membership: Membership) => {
    const { conversation, joinedSeq, read, head } = membership
    const range = { conversation: conversation.id, user, after: Math.max(read, joinedSeq) }
    const unread = await count({ ...range, through: head })
    const mutedUntil = membership.mutedUntil > clock() ? membership.mutedUntil : 0
    return { ...membership, unread, mutedUntil }
  }

  const makeList = async (user: string): Promise<UnreadList> => {
    const counted: UnreadConversation[] = []
    for (const membership of await conversations.membershipsOf(user)) {
      counted.push(await withUnread(user, membership))
    }
    const badge = counted.reduce((sum, it) => sum + (it.mutedUntil > 0 ? 0 : it.unread), 0)
    return { badge, conversations: counted }
  }

  return async (user) => {
    const known = underWay.get(user)
    if (known !== undefined) return known
    if (underWay.size >= usersMax) throw new Refusal('rate-limited')
    const list = makeList(user).finally(() => underWay.delete(user))
    underWay.set(user, list)
    return list
  }
}
