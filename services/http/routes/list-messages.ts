// GET /v1/conversations/:conversation/messages: a page of history, for members, from where they
// joined. Each message is the very JSON text that devices get over MQTT.

import { type Static, Type } from 'typebox'
import type { Entry } from '../../../protocol/entry.ts'
import { isVoid } from '../../../protocol/entry.ts'
import { encodeEnvelope } from '../../../protocol/envelope.ts'
import { Refusal } from '../../../protocol/errors.ts'
import { historyPageMax } from '../../../protocol/limits.ts'
import type { Membership } from '../../conversations/ports.ts'
import type { LogStore } from '../../log/ports.ts'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { userOf } from '../guards.ts'
import { pageBytesMax, pageLimitDefault } from '../limits.ts'
import { checkConversationParameter, conversationPath, problems } from '../schemas.ts'

const description = `Entries with \`after\` < seq < \`before\`, oldest first. With neither, the
newest page; with \`before\` alone, the page just before it; with \`after\`, the page just after it.
A page holds \`limit\` messages or fewer: at the end, or when they are large. To go on, pass
\`next\` as \`after\`, or \`previous\` as \`before\`, with the other one as it was if both were
given; null means that there is nothing further that way now.`

const envelope = Type.Object(
  {
    conversation: Type.String(),
    seq: Type.Integer({ minimum: 1, description: 'Position in the conversation.' }),
    id: Type.String({ description: "The app's id, or one the server made." }),
    from: Type.String(),
    to: Type.Optional(Type.String({ description: 'The other user of a direct conversation.' })),
    group: Type.Optional(Type.String()),
    at: Type.Integer({ description: 'When it was stored, ms since the epoch.' }),
    kind: Type.String({ description: 'text, media, data, custom, or the app’s own word.' }),
    text: Type.Optional(Type.String()),
    media: Type.Optional(Type.Unknown()),
    data: Type.Optional(Type.String({ description: 'Bytes, base64.' })),
    replyTo: Type.Optional(Type.Integer({ description: 'The seq this replies to.' })),
    ext: Type.Optional(Type.Object({}, { description: 'What the app added.' })),
  },
  { description: 'As devices get it over MQTT.' },
)

const page = Type.Object(
  {
    messages: Type.Array(envelope),
    next: Type.Union([Type.Integer(), Type.Null()], {
      description: 'The `after` of what follows.',
    }),
    previous: Type.Union([Type.Integer(), Type.Null()], {
      description: 'The `before` of what precedes.',
    }),
  },
  { description: 'A page of the conversation.', examples: [pageExample()] },
)

const query = Type.Object(
  {
    before: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Only entries below this seq.' }),
    ),
    after: Type.Optional(Type.Integer({ minimum: 0, description: 'Only entries above this seq.' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: historyPageMax, default: pageLimitDefault }),
    ),
  },
  { additionalProperties: false },
)
type Query = Static<typeof query>

export function listMessages(app: HttpInstance, parts: RouteParts): void {
  const { conversations, readLog, requireUser } = parts
  app.get('/v1/conversations/:conversation/messages', {
    onRequest: requireUser,
    schema: {
      operationId: 'listMessages',
      summary: 'Read history',
      description,
      tags: ['history'],
      security: [{ user: [] }],
      params: conversationPath,
      querystring: query,
      response: {
        200: {
          description: 'A page of the conversation.',
          content: { 'application/json': { schema: page } },
        },
        ...problems(400, 401, 404),
      },
    },
    handler: async (request, reply) => {
      const { conversation } = request.params
      checkConversationParameter(conversation)
      const membership = await conversations.membership(conversation, userOf(request))
      if (membership === undefined) throw new Refusal('not-found')
      const entries = await readPage(readLog, membership, request.query)
      return reply
        .type('application/json; charset=utf-8')
        .send(encodePage(membership, entries, request.query))
    },
  })
}

async function readPage(
  readLog: LogStore['read'],
  { conversation, joinedSeq, head }: Membership,
  { before, after, limit = pageLimitDefault }: Query,
): Promise<readonly Entry[]> {
  const newestFirst = after === undefined
  const entries = await readLog(conversation.id, {
    after: Math.max(joinedSeq, after ?? 0),
    ...(before === undefined ? {} : { before }),
    newestFirst,
    limit,
    bytesMax: pageBytesMax,
    head,
  })
  return newestFirst ? entries.toReversed() : entries
}

/** Joins the envelopes as text: nothing is parsed and encoded again. */
function encodePage(membership: Membership, entries: readonly Entry[], query: Query): string {
  const { conversation, joinedSeq, head } = membership
  const { before, after } = query
  // Given together they are the bounds of the walk; one alone is only where the page begins.
  const isBounded = before !== undefined && after !== undefined
  const last = isBounded ? Math.min(head, before - 1) : head
  const first = 1 + (isBounded ? Math.max(joinedSeq, after) : joinedSeq)
  const oldest = entries[0]?.seq ?? first
  // What follows may be about to be written: then there is more, and not yet.
  const newest = entries.at(-1)?.seq ?? (after === undefined ? last : Math.max(joinedSeq, after))
  const messages = entries
    .filter((entry) => !isVoid(entry))
    .map((entry) => encodeEnvelope(conversation, entry))
    .join(',')
  const next = newest < last ? newest : null
  const previous = oldest > first ? oldest : null
  return `{"messages":[${messages}],"next":${next},"previous":${previous}}`
}

function pageExample(): object {
  const place = { conversation: 'g:team', seq: 12, id: 'a1', from: 'alice', group: 'team' }
  const message = { ...place, at: 1767225600000, kind: 'text', text: 'hello' }
  return { messages: [message], next: null, previous: 12 }
}
