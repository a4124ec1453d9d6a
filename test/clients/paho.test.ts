// Chat with Python's paho-mqtt, over TCP and over WebSocket: runs paho/chat.py and reads its
// checks.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { testLevel } from '../support/level.ts'
import { requireProgram } from '../support/programs.ts'
import { startTestServer } from '../support/server.ts'

const { command, skip } = requireProgram('paho')
// The script is not compiled: it stays with the sources, seen from build/test/clients/.
const script = fileURLToPath(new URL('../../../test/clients/paho/chat.py', import.meta.url))

for (const transport of ['tcp', 'websockets'] as const) {
  t.test(`paho-mqtt chats over ${transport}`, { skip }, async (t) => {
    const server = await startTestServer(t)
    const users = ['alice', 'bob', 'carol']
    await server.addGroup('team', users)
    const tokens = Object.fromEntries(
      await Promise.all(users.map(async (user) => [user, await server.token(user)])),
    )
    const port = transport === 'tcp' ? server.mqttPort : server.httpPort
    const child = spawn(command as string, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
    t.teardown(() => void child.kill())
    child.stdin.end(JSON.stringify({ port, transport, tokens, level: testLevel }))
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    const [code] = await once(child, 'close')
    t.equal(code, 0)
    for (const line of output.split('\n')) {
      if (line.startsWith('ok ')) t.pass(line.slice(3))
      if (line.startsWith('not ok ')) t.fail(line.slice(7))
      if (line.startsWith('# paho')) t.comment(line.slice(2))
    }
    t.match(output, /# done/, 'it came to its end')
  })
}
