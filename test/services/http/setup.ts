// An HTTP API on a free port over the in-memory store, with a small client, for the tests here.

import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import { type Level, pino } from 'pino'
import type { Test } from 'tap'
import { makeAccounts } from '../../../services/auth/accounts.ts'
import { makePasswords } from '../../../services/auth/passwords.ts'
import { makeUserSettings } from '../../../services/auth/settings.ts'
import { makeTokens } from '../../../services/auth/tokens.ts'
import {
  type MembershipChange,
  makeConversations,
} from '../../../services/conversations/conversations.ts'
import { makeEngine } from '../../../services/delivery/engine.ts'
import type { HttpDependencies } from '../../../services/http/dependencies.ts'
import { makeHttp } from '../../../services/http/http.ts'
import { makeReceipts } from '../../../services/receipts/receipts.ts'
import { makeQuietLogger, never } from '../delivery/support/devices.ts'
import { makeMemory, portsOf } from '../delivery/support/memory-ports.ts'
import { makeMemoryStore } from '../support/memory-store.ts'
import { testKey } from '../support/refusals.ts'

export const adminToken = 'test-admin-token-of-some-forty-characters'
export const password = 'correct horse battery staple'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; undefined when it is not. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of any shape.
  readonly body: any
}

export interface Ask {
  readonly token?: string | undefined
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is. */
  readonly raw?: string
  readonly headers?: Record<string, string>
}

/** Parts, users alice, bob and carol, and everything that was logged. */
export function makeParts(changes: Partial<HttpDependencies> = {}, level: Level = 'debug') {
  const store = makeMemoryStore()
  const time = { now: Date.now() }
  const tokens = makeTokens({
    keys: [testKey],
    issuer: 'https://parley.example',
    audience: 'parley',
    ttlSeconds: 3600,
    clock: () => time.now,
  })
  const announced: MembershipChange[] = []
  const conversations = makeConversations({
    store,
    announce: (change) => announced.push(change),
    renamed: () => {},
    random: randomBytes,
  })
  const clock = () => time.now
  const logger = makeQuietLogger()
  const engine = makeEngine(
    {
      devices: portsOf(makeMemory()).devices,
      conversations: store,
      log: store,
      logger,
      clock,
    },
    {
      windowEntriesMax: 16,
      windowBytesMax: 1000,
      cursorFlushMs: never,
      sessionExpirySeconds: 60,
      devicesPerUserMax: 100,
    },
  )
  const receipts = makeReceipts(
    {
      engine,
      store: store.receipts,
      conversations: store,
      attempt: (work) => work(),
      clock,
      logger,
    },
    { receiptIntervalMs: 10, receiptMembersMax: 4 },
  )
  const log: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      log.push(String(chunk))
      done()
    },
  })
  const dependencies: HttpDependencies = {
    accounts: makeAccounts({ users: store, tokens, passwords: makePasswords() }),
    tokens,
    conversations,
    receipts,
    settings: makeUserSettings({ users: store, hides: receipts.hides }),
    readLog: store.read,
    health: () => ({ ready: true, reasons: [] }),
    adminToken,
    metrics: { contentType: 'text/plain', text: async () => 'metrics' },
    mayReadMetrics: () => true,
    issuerInfo: { issuer: 'https://parley.example', audience: 'parley' },
    registration: 'open',
    rateLimits: { register: 1000, token: 1000 },
    logger: pino({ level }, stream),
    version: '1.2.3',
    ...changes,
  }
  const tokenOf = async (user: string) => (await tokens.issue(user)).token
  return { store, time, tokens, conversations, announced, dependencies, tokenOf, log }
}

/** Starts an API that ends with the test. */
export async function startApi(t: Test, changes: Partial<HttpDependencies> = {}) {
  const parts = makeParts(changes)
  for (const user of ['alice', 'bob', 'carol']) await parts.store.createUser(user, undefined)
  const api = makeHttp(parts.dependencies)
  const { port } = await api.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => api.close())
  const origin = `http://127.0.0.1:${port}`

  async function ask(method: string, path: string, request: Ask = {}): Promise<Answer> {
    const { token, json, raw, headers = {} } = request
    const body = json === undefined ? raw : JSON.stringify(json)
    const response = await fetch(origin + path, {
      method,
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parse(text) }
  }
  return { ...parts, api, port, origin, ask }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Asserts that the answer is a problem document of this status and code. */
export function isProblem(t: Test, answer: Answer, status: number, code: string): void {
  t.equal(answer.status, status)
  t.equal(answer.headers.get('content-type'), 'application/problem+json')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.match(answer.body, { type: String, title: String, status, code })
  const known = ['type', 'title', 'status', 'code', 'detail', 'errors', 'reasons']
  t.strictSame(
    Object.keys(answer.body ?? {}).filter((name) => !known.includes(name)),
    [],
    'no other members',
  )
}
