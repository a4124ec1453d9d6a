// Servers for tests: in this process, or as a process of its own that can be killed. On
// 127.0.0.1, on free ports, with a data folder that is removed at the end.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { pino } from 'pino'
import { startServer } from '../../cli/wire.ts'
import { loadSettings } from '../../config/load.ts'
import type { TopicGrants } from '../../protocol/grants.ts'

/** A server and what tests ask of it over its HTTP API. */
export interface TestServer {
  readonly mqttPort: number
  readonly httpPort: number
  /** 0 where TLS is not on. */
  readonly mqttsPort: number
  readonly httpsPort: number
  readonly httpUrl: string
  readonly data: string
  addUser(user: string): Promise<void>
  /** A token of the user, who is made if need be. */
  token(user: string, topics?: Partial<TopicGrants>): Promise<string>
  addGroup(group: string, members: readonly string[]): Promise<void>
  /** An HTTP request with a bearer token; the answer's status and JSON. */
  request(
    method: string,
    path: string,
    options?: { readonly token?: string; readonly body?: unknown },
  ): Promise<{ readonly status: number; readonly json: unknown }>
  /** Reads the TLS certificates again. */
  reload(): void
  close(): Promise<void>
}

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

/** The token of the administration API of test servers. */
export const adminToken = 'administration-token-for-tests-only'

/** A folder that is removed when the test ends. */
export function temporaryFolder(t: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-'))
  // Again if need be: a program that was just ended may still write.
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}

/** Starts a server in this process; it stops when the test ends. Settings are flags by key. */
export async function startTestServer(
  t: Owner,
  flags: Readonly<Record<string, string>> = {},
  logger: Logger = pino({ level: 'silent' }),
): Promise<TestServer> {
  const data = flags.data ?? temporaryFolder(t)
  const { settings } = loadSettings({
    flags: { mqttPort: '0', httpPort: '0', ...flags, data },
    environment: { PARLEY_ADMIN_TOKEN: adminToken },
    readFile: () => '{}',
  })
  const server = await startServer(settings, logger)
  t.teardown(() => server.close())
  const { mqtt, http, mqtts, https } = server
  const [mqttPort = 0, httpPort = 0] = [mqtt?.port, http?.port]
  return {
    ...{ mqttPort, httpPort, mqttsPort: mqtts?.port ?? 0, httpsPort: https?.port ?? 0 },
    data,
    ...makeClient(httpPort),
    reload: () => server.reload?.(),
    close: () => server.close(),
  }
}

function makeClient(port: number) {
  const httpUrl = `http://127.0.0.1:${port}`
  const request: TestServer['request'] = async (method, path, { token, body } = {}) => {
    // A connection of its own: an idle one may be closed just as it is used again.
    const headers: Record<string, string> = { connection: 'close' }
    if (token !== undefined) headers.authorization = `Bearer ${token}`
    if (body !== undefined) headers['content-type'] = 'application/json'
    const response = await fetch(httpUrl + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
  }
  const administer = async (path: string, body: object, fine: readonly number[]) => {
    const answer = await request('POST', path, { token: adminToken, body })
    if (!fine.includes(answer.status)) throw new Error(JSON.stringify(answer))
    return answer.json as Record<string, string>
  }
  const addUser = async (user: string) => {
    await administer('/v1/admin/users', { user }, [201, 409])
  }
  return {
    httpUrl,
    request,
    addUser,
    async token(user: string, topics?: Partial<TopicGrants>) {
      await addUser(user)
      const { token } = await administer('/v1/admin/tokens', { user, topics }, [201])
      return token as string
    },
    async addGroup(group: string, members: readonly string[]) {
      for (const member of members) await addUser(member)
      await administer('/v1/admin/groups', { group, members }, [201])
    },
  }
}
