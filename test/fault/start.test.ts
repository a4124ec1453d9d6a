// What keeps a server from starting is said in one line that names it, with exit code 1.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'
import { serveInVain, spawnServe, startServer } from './server-program.ts'

async function checkRefusal(
  t: Test,
  { data, flags = [] }: { readonly data: string; readonly flags?: readonly string[] },
  line: RegExp,
): Promise<void> {
  const server = await serveInVain(t, data, flags)
  t.equal(server.ending(), 1, 'exit code')
  t.equal(server.errors.length, 1, 'one line')
  t.match(server.errors[0], line)
  t.same(
    server.output.filter((it) => it.startsWith('listening')),
    [],
    'it did not claim to listen',
  )
}

t.test('a port in use is named', async (t) => {
  const first = await startServer(t, temporaryFolder(t))
  const ports = { mqtt: first.mqttPort, http: first.httpPort }
  for (const [name, port] of Object.entries(ports)) {
    const given = { data: temporaryFolder(t), flags: [`--${name}-port`, String(port)] }
    await checkRefusal(t, given, new RegExp(`^parley: 127\\.0\\.0\\.1:${port} is in use: .*--`))
  }
  t.equal((await first.request('/healthz')).status, 200, 'who has the port goes on')
})

t.test('a data folder in use by another server is named, and that one goes on', async (t) => {
  const data = temporaryFolder(t)
  const first = await startServer(t, data)
  await checkRefusal(t, { data }, /^parley: the data folder .* is in use by another process/)
  t.equal((await first.request('/readyz')).status, 200)
  await first.end('SIGKILL')
  const second = spawnServe(t, data)
  await until('a server starts on what a killed one left', () =>
    second.output.some((line) => line.startsWith('listening http')),
  )
})

t.test('a data folder that cannot be made is named', async (t) => {
  const file = join(temporaryFolder(t), 'file')
  writeFileSync(file, '')
  await checkRefusal(
    t,
    { data: join(file, 'data') },
    /^parley: cannot use .*\/file\/data: a part of/,
  )
  // Not even root can make a folder there.
  const reasons = '(permission denied|the file system is read-only)'
  await checkRefusal(
    t,
    { data: '/sys/parley' },
    new RegExp(`^parley: cannot use /sys/parley: ${reasons}`),
  )
})
