// Problem documents (RFC 9457): from whatever was thrown to the one shape every error answer has.
// The only place where refusals become HTTP.

import { STATUS_CODES } from 'node:http'
import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type ErrorCode, errorCatalogue, Refusal } from '../../protocol/errors.ts'
import { StoreFailure } from '../../protocol/failure.ts'

export const problemMediaType = 'application/problem+json'
/** Seconds after which a client may try again what failed for want of capacity. */
const retryAfterSeconds = 2

const violation = Type.Object({
  in: Type.Enum(['body', 'querystring', 'params', 'headers']),
  pointer: Type.String({
    description: 'JSON Pointer (RFC 6901) to the value; empty for all of it',
  }),
  detail: Type.String(),
})

/** The body of every error answer; registered with Fastify under the name `Problem`. */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: 'A URN for each code, or about:blank.' }),
    title: Type.String({ description: 'What the code means; the same for each occurrence.' }),
    status: Type.Integer({ description: 'The HTTP status.' }),
    code: Type.Enum(Object.keys(errorCatalogue) as ErrorCode[], {
      description: 'The reason, for programs. MQTT uses the same codes.',
    }),
    detail: Type.Optional(Type.String({ description: 'What was wrong this time, for people.' })),
    errors: Type.Optional(Type.Array(violation, { description: 'What breaks the schema.' })),
    reasons: Type.Optional(Type.Array(Type.String(), { description: 'Why it is not ready.' })),
  },
  {
    $id: 'Problem',
    description: 'A problem document (RFC 9457).',
    examples: [
      {
        type: 'urn:parley:error:not-found',
        title: errorCatalogue['not-found'].meaning,
        status: 404,
        code: 'not-found',
      },
    ],
  },
)

interface Violation {
  readonly in: string
  readonly pointer: string
  readonly detail: string
}

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail?: string
  readonly errors?: readonly Violation[]
  readonly reasons?: readonly string[]
}

/** The document for a code of the catalogue. */
export function problemOf(code: ErrorCode, detail?: string): Problem {
  const { meaning, http } = errorCatalogue[code]
  const problem = { type: `urn:parley:error:${code}`, title: meaning, status: http, code }
  return detail === undefined || detail === meaning ? problem : { ...problem, detail }
}

/** The document for what HTTP itself refuses, where the status says it all. */
export function httpProblem(status: number, detail?: string): Problem {
  const title = STATUS_CODES[status] ?? 'Error'
  const problem = { type: 'about:blank', title, status, code: 'invalid-request' } as const
  return detail === undefined ? problem : { ...problem, detail }
}

/** Answers with a problem document and the headers that belong to its status. Never cached. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const isBusy = problem.status === 429 || problem.status === 503
  if (isBusy && !reply.hasHeader('retry-after')) reply.header('retry-after', retryAfterSeconds)
  // RFC 9110, section 15.5.2 asks for a challenge with each 401, RFC 6750 says which.
  if (problem.status === 401) {
    const reason = problem.code === 'invalid-token' ? ', error="invalid_token"' : ''
    reply.header('www-authenticate', `Bearer realm="parley"${reason}`)
  }
  // Sent as bytes: no response schema of a route can cut anything off, and Fastify adds no charset,
  // a parameter that JSON media types do not have.
  return reply
    .code(problem.status)
    .header('cache-control', 'no-store')
    .type(problemMediaType)
    .send(Buffer.from(JSON.stringify(problem)))
}

/** Answers whatever a route, a hook or Fastify threw. What nobody expected is logged in full and
 * answered without a word about it. */
export function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  return sendProblem(reply, toProblem(error, request.log, request.routeOptions.url))
}

function toProblem(error: unknown, log: FastifyBaseLogger, route: string | undefined): Problem {
  if (error instanceof Refusal) {
    if (error.code === 'internal') log.error({ err: error, route }, 'request failed')
    return problemOf(error.code, error.message)
  }
  if (error instanceof StoreFailure) {
    log.warn({ err: error, route }, 'the store failed a request')
    return problemOf('store-unavailable', 'The store cannot do this now.')
  }
  if (isFastifyError(error)) {
    const problem = frameworkProblem(error)
    if (problem !== undefined) return problem
  }
  const status = clientFault(error)
  if (status !== undefined) return httpProblem(status)
  log.error({ err: error, route }, 'request failed')
  return problemOf('internal')
}

/** The status of an error that the client made: it went away, or a library says so, and that it may
 * be told. */
function clientFault(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && error.code === 'ECONNRESET') return 400
  const isTold = 'expose' in error && error.expose === true && 'statusCode' in error
  const status = isTold ? Number(error.statusCode) : 500
  return status >= 400 && status < 500 ? status : undefined
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('FST_')
}

function frameworkProblem(error: FastifyError): Problem | undefined {
  if (error.validation !== undefined) {
    const where = error.validationContext ?? 'body'
    const errors = error.validation.map(({ instancePath, message }) => ({
      in: where,
      pointer: instancePath,
      detail: message ?? 'breaks the schema',
    }))
    return { ...problemOf('invalid-request'), errors }
  }
  const status = error.statusCode ?? 500
  if (error.code === 'FST_ERR_HANDLER_TIMEOUT') {
    return problemOf('store-unavailable', 'The answer took too long.')
  }
  if (status === 413) return problemOf('payload-too-large', error.message)
  if (status === 400) return problemOf('invalid-request', error.message)
  if (status > 400 && status < 500) return httpProblem(status, error.message)
  return undefined
}
