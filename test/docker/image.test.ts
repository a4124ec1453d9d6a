// docker/Dockerfile: what a linter says of it, and that its health check tells the living from the
// dead. The image itself is not built here.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { freePort } from '../support/engine-process.ts'
import { requireProgram } from '../support/programs.ts'
import { startTestServer } from '../support/server.ts'
import { pathOf, readDockerFile } from './support.ts'

const hadolint = requireProgram('hadolint')

t.test('hadolint finds nothing', { skip: hadolint.skip }, async (t) => {
  const words = ['--failure-threshold', 'style', pathOf('Dockerfile')]
  const { status, stdout } = spawnSync(hadolint.command ?? '', words, { encoding: 'utf8' })
  t.equal(status, 0, stdout)
})

t.test('it runs as an ordinary user, without what only builds and tests', async (t) => {
  const [, build = '', run = ''] = readDockerFile('Dockerfile').split(/^FROM /m)
  t.match(build, 'npm prune --omit=dev')
  t.match(run, /^USER [1-9]\d*$/m)
  t.notMatch(run, /\bnpm\b/)
})

t.test('the health check knows whether a process is alive, whatever its roles', async (t) => {
  const text = readDockerFile('Dockerfile').replaceAll('\\\n', '')
  const words = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(text)?.[1] ?? '[]'
  const [program, ...rest]: readonly string[] = JSON.parse(words)
  const isHealthy = async (port: number) => {
    const env = { PATH: process.env.PATH, PARLEY_HTTP_PORT: String(port) }
    const child = spawn(program ?? '', rest, { env, stdio: 'ignore' })
    const [code] = await once(child, 'close')
    return code === 0
  }
  for (const roles of ['broker', 'api', 'jobs']) {
    const server = await startTestServer(t, { roles })
    t.equal(await isHealthy(server.httpPort), true, roles)
  }
  t.equal(await isHealthy(await freePort()), false)
})
