// What the HTTP API is made from, and the type of the Fastify instance its routes are added to.

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Logger } from 'pino'
import type { Accounts } from '../auth/accounts.ts'
import type { UserSettingsService } from '../auth/settings.ts'
import type { Tokens } from '../auth/tokens.ts'
import type { Conversations } from '../conversations/conversations.ts'
import type { LogStore } from '../log/ports.ts'
import type { Exposition } from '../metrics/ports.ts'
import type { Receipts } from '../receipts/receipts.ts'
import type { Guards } from './guards.ts'
import type { MayReadMetrics } from './metrics-access.ts'

/** Whether the server can do its work now, and if not, why; shown to whoever asks `/readyz`. */
export interface Health {
  readonly ready: boolean
  /** Why it is not ready. */
  readonly reasons: readonly string[]
  /** What is away while everything that was promised still works, only slower. */
  readonly degraded?: readonly string[]
}

export interface HttpDependencies {
  readonly accounts: Accounts
  readonly tokens: Pick<Tokens, 'verify' | 'jwks'>
  readonly conversations: Conversations
  readonly receipts: Pick<Receipts, 'report' | 'list' | 'mute'>
  readonly settings: UserSettingsService
  readonly readLog: LogStore['read']
  readonly health: () => Health
  /** The bearer token of `/v1/admin/…`. Secret. */
  readonly adminToken: string
  readonly metrics: Exposition
  readonly mayReadMetrics: MayReadMetrics
  /** Named in the OpenAPI document, so that others can verify our tokens. */
  readonly issuerInfo: { readonly issuer: string; readonly audience: string }
  /** `closed`: only an administrator makes users. */
  readonly registration: 'open' | 'closed'
  /** Requests a minute that one address (IPv6: one /64) may make. */
  readonly rateLimits: { readonly register: number; readonly token: number }
  readonly logger: Logger | false
  /** The version of Parley. */
  readonly version: string
}

/** What a route is made from. */
export type RouteParts = HttpDependencies & Guards

export type HttpInstance = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>
