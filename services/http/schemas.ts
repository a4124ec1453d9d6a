// Schemas that several routes share. What they say is what OpenAPI says and what is checked, except
// the exact rule of ids, which isId checks where a value is used.

import { Type } from 'typebox'
import { Refusal } from '../../protocol/errors.ts'
import type { TopicGrants } from '../../protocol/grants.ts'
import { readTopicGrants } from '../../protocol/grants.ts'
import { isId } from '../../protocol/ids.ts'
import {
  grantBytesMax,
  grantedFiltersMax,
  groupMembersAtOnceMax,
  idBytesMax,
  titleLengthMax,
} from '../../protocol/limits.ts'
import { passwordLengthMax, passwordLengthMin } from '../auth/passwords.ts'
import { problemMediaType } from './problems.ts'

const idRule = '1–128 bytes without / + # $, spaces or control characters'

export const userId = Type.String({
  minLength: 1,
  maxLength: idBytesMax,
  description: `A user's id: ${idRule}.`,
  examples: ['alice'],
})

export const groupId = Type.String({
  minLength: 1,
  maxLength: idBytesMax,
  description: `A group's id: ${idRule}.`,
  examples: ['team'],
})

export const conversationId = Type.String({ description: 'd:… or g:…', examples: ['g:team'] })

const groupInPath = { group: Type.String({ description: "The group's id.", examples: ['team'] }) }

export const groupPath = Type.Object(groupInPath)

export const memberPath = Type.Object({
  ...groupInPath,
  user: Type.String({ description: "The user's id.", examples: ['bob'] }),
})

export const conversationPath = Type.Object({ conversation: conversationId })

export const userSettings = Type.Object(
  {
    readReceipts: Type.Enum(['everyone', 'nobody'], {
      description: 'Who may see what I have read.',
    }),
  },
  { description: 'What I have chosen.', examples: [{ readReceipts: 'everyone' }] },
)

/** How far the caller is in a conversation. */
export const ownProgress = {
  unread: Type.Integer({ description: 'Messages of others above what the caller has read.' }),
  read: Type.Integer({ description: 'Up to which seq the caller has read; 0 when nothing.' }),
  mutedUntil: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Until when the caller has muted it, ms since the epoch; null when not.',
  }),
}

export const groupTitle = Type.String({ maxLength: titleLengthMax, examples: ['The team'] })

export const groupMembers = Type.Array(userId, { maxItems: groupMembersAtOnceMax })

export const newPassword = Type.String({
  minLength: passwordLengthMin,
  maxLength: passwordLengthMax,
  examples: ['correct horse battery staple'],
})

const grantedFilters = Type.Optional(
  Type.Array(Type.String({ maxLength: grantBytesMax }), {
    maxItems: grantedFiltersMax,
    examples: [['t/home/#']],
  }),
)

export const topicGrants = Type.Object(
  { publish: grantedFilters, subscribe: grantedFilters },
  {
    additionalProperties: false,
    description: 'Plain topics the token opens: filters below t/.',
  },
)

/** Reads the grants of a request. Throws `Refusal('invalid-request')`. */
export function readGrants(value: unknown): TopicGrants | undefined {
  const grants = readTopicGrants(value)
  if (grants !== undefined) return value === undefined ? undefined : grants
  throw new Refusal('invalid-request', 'Topics are granted by filters below t/.')
}

export const issuedToken = Type.Object(
  {
    user: userId,
    token: Type.String({ description: 'A JWT: the password for MQTT, the bearer for HTTP.' }),
    expiresAt: Type.Integer({ description: 'When it stops working, ms since the epoch.' }),
  },
  { description: 'A token for the user.', examples: [tokenExample()] },
)

/** A group with its title, as an answer. */
export function namedGroup(description: string) {
  return Type.Object(
    {
      conversation: Type.String({ description: "The conversation's id." }),
      group: groupId,
      title: Type.String(),
    },
    {
      description,
      examples: [{ conversation: 'g:team', group: 'team', title: 'The team' }],
    },
  )
}

export const madeGroup = namedGroup('The group was made.')

function tokenExample(): object {
  return { user: 'alice', token: 'eyJhbGciOiJFZERTQSJ9.e30.c2ln', expiresAt: 1767225600000 }
}

const problemMeanings: Readonly<Record<number, string>> = {
  400: 'The request breaks the schema.',
  401: 'No valid token, or wrong credentials.',
  403: 'Not allowed.',
  404: 'Not here, or not yours to see.',
  409: 'In conflict with what is there.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  429: 'Too many requests; see Retry-After.',
  500: 'The server failed.',
  503: 'Not possible now; see Retry-After.',
}

/** The error answers of a route, for its `response`: those named, and the ones all have. */
export function problems<Status extends number>(
  ...statuses: readonly Status[]
): Record<Status | 500 | 503, unknown> {
  const answers: Record<number, unknown> = {}
  for (const status of [...statuses, 500, 503]) {
    answers[status] = {
      description: problemMeanings[status],
      content: { [problemMediaType]: { schema: Type.Ref('Problem') } },
    }
  }
  return answers
}

/** The parameters of a path, which must all be ids. Throws `Refusal('invalid-request')`. */
export function checkedIds<Parameters extends Readonly<Record<string, string>>>(
  parameters: Parameters,
): Parameters {
  for (const [name, value] of Object.entries(parameters)) {
    if (isId(value)) continue
    throw new Refusal('invalid-request', `The ${name} in the path is not valid: ${idRule}.`)
  }
  return parameters
}

/** Throws `Refusal('invalid-request')` unless the value of a path parameter is the id of a
 * conversation. */
export function checkConversationParameter(id: string): void {
  if (!/^[dg]:/.test(id) || !isId(id.slice(2))) {
    throw new Refusal('invalid-request', 'The conversation in the path is not d:… or g:….')
  }
}
