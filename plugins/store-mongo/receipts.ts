// Watermarks of members, and what is counted with them: see services/receipts/ports.ts.

import type { AnyBulkWriteOperation, Document } from 'mongodb'
import type { Clock } from '../../protocol/clock.ts'
import { uncountedKinds } from '../../protocol/kinds.ts'
import type { MarkUpdate, ReceiptStore, Tally, VisibleMark } from '../../services/receipts/ports.ts'
import type { Collections, MemberDocument } from './collections.ts'
import { readMsMax } from './connect.ts'
import { conversationsOf } from './conversation-reads.ts'
import { withFailures } from './failures.ts'
import { piecesOf } from './pieces.ts'

const maxTimeMS = readMsMax
const markProjection = { _id: 0, user: 1, delivered: 1, read: 1, hidesReads: 1 } as const

type Needed = Pick<
  Collections,
  'conversations' | 'members' | 'memberships' | 'messages' | 'devices'
>

interface ReceiptParts {
  readonly collections: Needed
  readonly clock: Clock
}

/** Makes the store of receipts. */
export function makeReceipts({ collections, clock }: ReceiptParts): ReceiptStore {
  const { members, messages, memberships, devices } = collections
  return {
    raise: (marks) =>
      withFailures(async () => {
        const at = clock()
        for (const some of piecesOf(marks)) {
          await members.bulkWrite(
            some.map((mark) => raiseOf(mark, at)),
            { ordered: false },
          )
        }
      }),
    count: ({ conversation, user, after, through }) =>
      withFailures(() =>
        messages.countDocuments(
          {
            conversation,
            seq: { $gt: after, $lte: through },
            from: { $ne: user },
            kind: { $nin: [...uncountedKinds] },
          },
          { maxTimeMS },
        ),
      ),
    marksOf: (conversation, limit) =>
      withFailures(async () => {
        const options = {
          projection: markProjection,
          sort: { conversation: 1, user: 1 },
          limit,
          maxTimeMS,
        } as const
        return (await members.find({ conversation }, options).toArray()).map(visibleOf)
      }),
    tally: (question) => withFailures(() => tally(collections, question)),
    changedFor: (device, bounds) => withFailures(() => changedFor(collections, device, bounds)),
    devicesIn: (conversation, user) =>
      withFailures(async () => {
        const [membership, known] = await Promise.all([
          memberships.findOne({ user, conversation }, { maxTimeMS }),
          devices
            .find({ user }, { projection: { device: 1 }, sort: { user: 1, device: 1 }, maxTimeMS })
            .toArray(),
        ])
        return known.flatMap(({ _id, device }) => {
          const cursor = membership?.cursors?.[_id.toHexString()]
          return cursor === undefined ? [] : [{ device, acked: cursor.acked }]
        })
      }),
  }
}

/** Watermarks only move up, so it does not matter how often, or in which order, this is done. */
function raiseOf(mark: MarkUpdate, at: number): AnyBulkWriteOperation<MemberDocument> {
  const { conversation, user, joinedSeq, delivered, read } = mark
  // What is hidden must not show in anything that others may see.
  const shown = { $cond: ['$hidesReads', 0, read] }
  const raised = { $max: [delivered, shown] }
  const hasMoved = { $or: [{ $lt: ['$delivered', raised] }, { $lt: ['$read', shown] }] }
  return {
    updateOne: {
      filter: { conversation, user, joinedSeq },
      update: [
        {
          $set: {
            delivered: { $max: ['$delivered', raised] },
            read: { $max: ['$read', read] },
            receiptAt: { $cond: [hasMoved, at, '$receiptAt'] },
          },
        },
      ],
    },
  }
}

type Mark = Pick<MemberDocument, 'user' | 'delivered' | 'read' | 'hidesReads'>

/** What others may see. What was read while it was hidden has raised `delivered` in no document. */
function visibleOf({ user, delivered, read, hidesReads }: Mark): VisibleMark {
  const shown = hidesReads ? 0 : read
  return { user, delivered: Math.max(delivered, shown), read: shown }
}

async function tally(
  { members }: Pick<Collections, 'members'>,
  { conversation, user, seq }: Parameters<ReceiptStore['tally']>[0],
): Promise<Tally> {
  const others = user === undefined ? {} : { user: { $ne: user } }
  const visibleRead = { $cond: ['$hidesReads', 0, '$read'] }
  const countIf = (mark: Document | string) => ({ $sum: { $cond: [{ $gte: [mark, seq] }, 1, 0] } })
  const [found] = await members
    .aggregate<Tally>(
      [
        { $match: { conversation, ...others, joinedSeq: { $lt: seq } } },
        {
          $group: {
            _id: null,
            members: { $sum: 1 },
            delivered: countIf({ $max: ['$delivered', visibleRead] }),
            read: countIf(visibleRead),
          },
        },
        { $project: { _id: 0 } },
      ],
      { maxTimeMS },
    )
    .toArray()
  return found ?? { members: 0, delivered: 0, read: 0 }
}

async function changedFor(
  collections: Needed,
  { user, device }: Parameters<ReceiptStore['changedFor']>[0],
  { membersMax, slackMs, limit }: Parameters<ReceiptStore['changedFor']>[1],
): ReturnType<ReceiptStore['changedFor']> {
  const { devices, conversations, members } = collections
  const [known, all] = await Promise.all([
    devices.findOne({ user, device }, { projection: { lastSeen: 1 }, maxTimeMS }),
    conversationsOf(collections, user),
  ])
  if (known === null) return []
  const since = known.lastSeen - slackMs
  const changed: MemberDocument[] = []
  for (const some of piecesOf(all)) {
    const small = await conversations
      .find(
        { _id: { $in: [...some] }, members: { $lte: membersMax } },
        { projection: { _id: 1 }, maxTimeMS },
      )
      .toArray()
    const ids = small.map(({ _id }) => _id)
    const marks = await members
      .find(
        { conversation: { $in: ids }, user: { $ne: user }, receiptAt: { $gt: since } },
        { sort: { receiptAt: -1 }, limit, maxTimeMS },
      )
      .toArray()
    changed.push(...marks)
  }
  return changed
    .sort((a, b) => b.receiptAt - a.receiptAt)
    .slice(0, limit)
    .map((mark) => ({ conversation: mark.conversation, ...visibleOf(mark) }))
}
