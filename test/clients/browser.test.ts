// Chat from a web page: chromium runs MQTT.js' bundle, which connects over WebSocket; the page
// posts what it heard to the test.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import { testLevel } from '../support/level.ts'
import { requireProgram } from '../support/programs.ts'
import { startTestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

const { command, skip } = requireProgram('chromium')
const bundle = fileURLToPath(import.meta.resolve('mqtt/dist/mqtt.min'))

interface Task {
  readonly url: string
  readonly token: string
  readonly count: number
}

/** Runs in the page: chats with the echo, and posts the result. */
const pageScript = `
  const { url, token, count, level } = TASK
  const own = []
  const heard = []
  const finish = (result) => fetch('/result', { method: 'POST', body: JSON.stringify(result) })
  const client = mqtt.connect(url, {
    username: 'page',
    clientId: 'browser',
    protocolVersion: level,
    protocolId: level === 3 ? 'MQIsdp' : 'MQTT',
    ...(token ? { password: token } : {}),
  })
  client.on('error', (error) => finish({ error: String(error) }))
  client.on('message', (topic, payload) => {
    const { from, text } = JSON.parse(payload)
    ;(from === 'page' ? own : heard).push(text)
    if (own.length === count && heard.length === count) finish({ own, heard })
  })
  client.on('connect', async () => {
    await client.subscribeAsync('u/page/msg', { qos: 1 })
    for (let i = 1; i <= count; i++) client.publish('u/echo/msg', 'ping ' + i, { qos: 1 })
  })
`

/** Serves the page and the bundle; `result` resolves with what the page posts. */
async function servePage(t: Parameters<typeof startTestServer>[0], task: Task) {
  let posted: unknown
  const html =
    '<!doctype html><meta charset="utf-8"><script src="/mqtt.js"></script>' +
    `<script>${pageScript.replace('TASK', JSON.stringify({ ...task, level: testLevel }))}</script>`
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      posted = JSON.parse(Buffer.concat(chunks).toString())
      response.end()
    } else if (request.url === '/mqtt.js') {
      response.setHeader('content-type', 'text/javascript')
      createReadStream(bundle).pipe(response)
    } else {
      response.setHeader('content-type', request.url === '/' ? 'text/html' : 'text/plain')
      response.end(request.url === '/' ? html : '')
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, result: () => posted }
}

async function browse(t: Parameters<typeof startTestServer>[0], url: string): Promise<void> {
  const child = spawn(
    command as string,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--no-first-run',
      `--user-data-dir=${temporaryFolder(t)}`,
      '--remote-debugging-port=0',
      url,
    ],
    // A process group of its own, so that its helpers can be ended with it.
    { stdio: 'ignore', detached: true },
  )
  t.teardown(async () => {
    if (child.pid === undefined || child.exitCode !== null) return
    const exited = once(child, 'exit')
    process.kill(-child.pid, 'SIGKILL')
    await exited
  })
  await once(child, 'spawn')
}

for (const way of ['in its CONNECT', 'with the upgrade'] as const) {
  t.test(`a page chats over WebSocket, its token ${way}`, { skip }, async (t) => {
    const server = await startTestServer(t)
    const count = 300
    const token = await server.token('page')
    const echo = await connectDevice(t, server, { user: 'echo', id: 'bot' })
    echo.mqtt.on('message', (_topic, payload) => {
      const { from, text } = JSON.parse(payload.toString())
      if (from !== 'page') return
      echo.mqtt.publish('u/page/msg', text.replace('ping', 'pong'), { qos: 1 })
    })
    await echo.mqtt.subscribeAsync('u/echo/msg', { qos: 1 })
    const socketUrl = `ws://127.0.0.1:${server.httpPort}/mqtt`
    const page = await servePage(
      t,
      way === 'in its CONNECT'
        ? { url: socketUrl, token, count }
        : { url: `${socketUrl}?access_token=${token}`, token: '', count },
    )
    await browse(t, page.url)
    await until('the page has its result', () => page.result() !== undefined, 20_000)
    const texts = (word: string) => Array.from({ length: count }, (_, i) => `${word} ${i + 1}`)
    t.same(page.result(), { own: texts('ping'), heard: texts('pong') })
  })
}
