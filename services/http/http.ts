// The HTTP API: one Fastify instance with its limits, headers, error answers and routes. The server
// it runs on is shared with MQTT over WebSocket, which is attached to 'upgrade' by the broker.

import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify'
import { Refusal } from '../../protocol/errors.ts'
import type { HttpDependencies, HttpInstance } from './dependencies.ts'
import { addDocs, apiContentPolicy } from './docs.ts'
import { makeGuards, userDecorator } from './guards.ts'
import * as limits from './limits.ts'
import { refuseOtherMethods } from './methods.ts'
import { openApiOptions } from './openapi.ts'
import {
  answerError,
  httpProblem,
  problemMediaType,
  problemOf,
  problemSchema,
  sendProblem,
} from './problems.ts'
import { addMember } from './routes/add-member.ts'
import { addUser } from './routes/add-user.ts'
import { createAnyGroup } from './routes/create-any-group.ts'
import { createGroup } from './routes/create-group.ts'
import { getConversationReceipts } from './routes/get-conversation-receipts.ts'
import { getHealth } from './routes/get-health.ts'
import { getKeys } from './routes/get-keys.ts'
import { getMetrics } from './routes/get-metrics.ts'
import { getOpenApi } from './routes/get-openapi.ts'
import { getReadiness } from './routes/get-readiness.ts'
import { getSettings } from './routes/get-settings.ts'
import { getUnread } from './routes/get-unread.ts'
import { issueAnyToken } from './routes/issue-any-token.ts'
import { issueToken } from './routes/issue-token.ts'
import { listConversations } from './routes/list-conversations.ts'
import { listMessages } from './routes/list-messages.ts'
import { muteConversation } from './routes/mute-conversation.ts'
import { registerUser } from './routes/register-user.ts'
import { removeMember } from './routes/remove-member.ts'
import { renameGroup } from './routes/rename-group.ts'
import { updateSettings } from './routes/update-settings.ts'
import { compileValidator } from './validation.ts'

export interface HttpApi {
  /** The server; exists from the start, so that others can listen to its 'upgrade'. */
  readonly server: Server
  /** Loads everything without listening; `listen` does it too. */
  ready(): Promise<void>
  /** Listens; port 0 takes a free one. Rejects with the system's error, as EADDRINUSE. */
  listen(address: {
    readonly host: string
    readonly port: number
  }): Promise<{ readonly port: number }>
  /** Takes no more connections, and resolves when all have ended: idle ones at once, those with an
   * answer under way within 5 s. Upgraded sockets are for who upgraded them to end first. */
  close(): Promise<void>
}

export function makeHttp(dependencies: HttpDependencies): HttpApi {
  const app = makeInstance(dependencies)
  app.addSchema(problemSchema)
  app.decorateRequest(userDecorator, '')
  app.setValidatorCompiler(compileValidator)
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, problemOf('not-found')))
  // Only JSON is read; without this a text body would arrive as a string.
  app.removeContentTypeParser('text/plain')
  acceptEmptyJson(app)
  app.addHook('onRequest', setSafeHeaders)
  app.addHook('onResponse', logAnswer)
  app.register(rateLimit, {
    global: false,
    cache: limits.rateLimitedAddressesMax,
    errorResponseBuilder: () => new Refusal('rate-limited'),
  })
  app.register(swagger, openApiOptions(dependencies))
  app.register(async (scope) => addDocs(scope))
  app.register(async (scope) => addRoutes(scope.withTypeProvider(), dependencies))

  return {
    server: app.server,
    ready: async () => void (await app.ready()),
    async listen({ host, port }) {
      await app.listen({ host, port })
      return { port: (app.server.address() as AddressInfo).port }
    },
    async close() {
      const cut = setTimeout(() => app.server.closeAllConnections(), limits.closeGraceMs)
      await app.close().finally(() => clearTimeout(cut))
    },
  }
}

function makeInstance({ logger }: HttpDependencies): HttpInstance {
  return fastify({
    ...(logger === false ? {} : { loggerInstance: safeLogger(logger) }),
    // Fastify's own lines hold the URL; ours hold the route.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.bodyBytesMax,
    handlerTimeout: limits.handlerTimeoutMs,
    http: {
      maxHeaderSize: limits.headerBytesMax,
      connectionsCheckingInterval: limits.connectionsCheckMs,
    },
    routerOptions: { maxParamLength: limits.pathParameterLengthMax },
    // A request that is already here is answered as ever; the connection then closes.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>()
}

/** Many clients name JSON as the type of a body they do not send. */
function acceptEmptyJson(app: HttpInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null)
    else void parse(request, body as string, done)
  })
}

function safeLogger(logger: Exclude<HttpDependencies['logger'], false>): FastifyBaseLogger {
  return logger.child(
    { part: 'http' },
    {
      redact: ['authorization', '*.authorization', '*.headers.authorization', 'headers.cookie'],
      // All that Fastify says at 'info' is that it listens; who started it says so too.
      level: logger.level === 'info' ? 'warn' : logger.level,
    },
  )
}

function addRoutes(app: HttpInstance, dependencies: HttpDependencies): void {
  const addRefusals = refuseOtherMethods(app)
  const guards = makeGuards(dependencies.tokens, dependencies.adminToken)
  const parts = { ...dependencies, ...guards }
  registerUser(app, parts)
  issueToken(app, parts)
  createGroup(app, parts)
  addMember(app, parts)
  removeMember(app, parts)
  listConversations(app, parts)
  listMessages(app, parts)
  renameGroup(app, parts)
  getConversationReceipts(app, parts)
  muteConversation(app, parts)
  getUnread(app, parts)
  getSettings(app, parts)
  updateSettings(app, parts)
  addUser(app, parts)
  issueAnyToken(app, parts)
  createAnyGroup(app, parts)
  getHealth(app, parts)
  getReadiness(app, parts)
  getKeys(app, parts)
  getOpenApi(app)
  getMetrics(app, parts)
  addRefusals()
}

async function setSafeHeaders(_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.headers({
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    'content-security-policy': apiContentPolicy,
    'referrer-policy': 'no-referrer',
  })
}

async function logAnswer(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const route = request.routeOptions.url
  const ms = Math.round(reply.elapsedTime)
  request.log.debug({ method: request.method, route, status: reply.statusCode, ms }, 'answered')
}

/** Answers what is not HTTP, or was not sent in time: there is no request to answer. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const problem = clientProblem(error.code)
  const body = JSON.stringify(problem)
  socket.write(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\ncontent-type: ${problemMediaType}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
  socket.destroySoon()
}

function clientProblem(code: string | undefined): { status: number; title: string } {
  if (code === 'HPE_HEADER_OVERFLOW') return httpProblem(431)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return httpProblem(408)
  return httpProblem(400, 'This is not HTTP/1.1.')
}
