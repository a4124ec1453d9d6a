// Administration over the HTTP API of a running server, with the admin token of its settings or of
// its data folder. Problem documents (RFC 9457) become the refusals they stand for.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Settings } from '../config/schema.ts'
import type { ErrorCode } from '../protocol/errors.ts'
import { errorCatalogue, Refusal } from '../protocol/errors.ts'
import type { Administration, IssuedToken } from './administration-port.ts'
import { CommandFailure } from './failures.ts'

const probeTimeoutMs = 3000
const requestTimeoutMs = 15_000

/** Whether a server answers at the URL. */
export async function isAnswering(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(probeTimeoutMs)
    const response = await fetch(new URL('/healthz', url), { signal, redirect: 'error' })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

/** Administration through the server at the URL. */
export function makeRemoteAdministration(url: string, settings: Settings): Administration {
  const token = settings.adminToken?.reveal() ?? readAdminToken(settings.data)
  const post = (path: string, body: object): Promise<unknown> =>
    postJson({ url: new URL(path, url), token }, body)
  return {
    async addUser(user, password) {
      await post('/v1/admin/users', { user, ...(password === undefined ? {} : { password }) })
    },
    async issueToken(user, ttlSeconds, topics) {
      // What is undefined does not stand in the JSON.
      return issuedToken(await post('/v1/admin/tokens', { user, ttlSeconds, topics }))
    },
    async addGroup({ group, title, members }) {
      const body = { group, members, ...(title === undefined ? {} : { title }) }
      await post('/v1/admin/groups', body)
    },
    close: async () => {},
  }
}

function readAdminToken(folder: string): string {
  const path = join(folder, 'admin-token')
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    throw new CommandFailure(
      `the server needs its admin token, and ${path} cannot be read: give it in PARLEY_ADMIN_TOKEN`,
    )
  }
}

interface Endpoint {
  readonly url: URL
  readonly token: string
}

async function postJson({ url, token }: Endpoint, body: object): Promise<unknown> {
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(requestTimeoutMs),
    })
    text = await response.text()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandFailure(`the server at ${url.origin} does not answer: ${reason}`)
  }
  const answer = parseObject(text)
  if (response.ok) return answer
  throw refusalOf(response.status, answer)
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function refusalOf(status: number, problem: Readonly<Record<string, unknown>>): Error {
  const { code, detail } = problem
  if (status === 401 || code === 'not-authorized') {
    return new CommandFailure(
      'the server refused the admin token: give the one it was started with in PARLEY_ADMIN_TOKEN',
    )
  }
  if (typeof code === 'string' && isErrorCode(code)) {
    return new Refusal(code, typeof detail === 'string' ? detail : violations(problem.errors))
  }
  return new CommandFailure(`the server answered with HTTP status ${status}`)
}

/** What breaks the schema, as `/password must NOT have fewer than 8 characters; …`. */
function violations(errors: unknown): string | undefined {
  if (!Array.isArray(errors) || errors.length === 0) return undefined
  const lines = errors.map((error: Readonly<Record<string, unknown>> | null) =>
    `${error?.pointer ?? ''} ${error?.detail ?? ''}`.trim(),
  )
  return `the server refused the request: ${lines.join('; ')}`
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code)
}

function issuedToken(answer: unknown): IssuedToken {
  const { token, expiresAt } = answer as Readonly<Record<string, unknown>>
  if (typeof token !== 'string' || typeof expiresAt !== 'number') {
    throw new CommandFailure('the server answered without a token: is it of another version?')
  }
  return { token, expiresAt }
}
