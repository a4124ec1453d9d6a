// The server as a process: what it prints, how it stops, and what keeps it from starting.

import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runParley, startParley, startServer } from './parley.ts'

t.test('serve prints its addresses, its folder and two commands to paste', async (t) => {
  const cwd = t.testdir()
  const server = await startServer(t, { cwd, environment: { PATH: '/nowhere' } })
  const { mqttPort, httpPort } = server
  t.not(mqttPort, 0)
  const lines = server.stdout().split('\n')
  t.match(lines[0], /^Parley \d+\.\d+\.\d+$/)
  t.same(lines.slice(1), [
    `listening mqtt://127.0.0.1:${mqttPort}`,
    `listening http://127.0.0.1:${httpPort}  ` +
      '(WebSocket at /mqtt, API at /v1, documentation at /docs)',
    'data folder ./data',
    'make a user with a token, and send a message:',
    '  npx parley user add alice && TOKEN=$(npx parley token alice)',
    `  npx mqtt pub -h 127.0.0.1 -p ${mqttPort} -u alice -P "$TOKEN" ` +
      "-q 1 -t u/alice/msg -m 'hello'",
    '',
  ])
})

t.test('a server that has the user already prints no command to make it', async (t) => {
  const cwd = t.testdir()
  await runParley(t, ['user', 'add', 'alice', '--data', 'd'], { cwd })
  const server = await startServer(t, { cwd }, ['--data', 'd'])
  t.match(server.stdout(), /^make a token, and send a message:$/m)
  t.match(server.stdout(), /^ {2}TOKEN=\$\(npx parley token alice --data d\)$/m)
  t.notMatch(server.stdout(), 'user add')
})

t.test('the commands name the data folder when it is not the default one', async (t) => {
  const server = await startServer(t, { cwd: t.testdir() }, ['--data', 'my data'])
  t.ok(server.stdout().includes("parley user add alice --data 'my data' && "))
  t.ok(server.stdout().includes("parley token alice --data 'my data')"))
})

t.test('what serve writes is not for others to read', async (t) => {
  const cwd = t.testdir()
  await startServer(t, { cwd })
  for (const name of ['server.json', 'admin-token']) {
    t.equal(statSync(join(cwd, 'data', name)).mode & 0o077, 0, name)
  }
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} stops the server cleanly`, async (t) => {
    const cwd = t.testdir()
    const server = await startServer(t, { cwd })
    t.ok(existsSync(join(cwd, 'data/server.json')))
    server.signal(signal)
    const { code, stdout } = await server.ended()
    t.equal(code, 0)
    t.match(stdout, /\nstopped\n$/)
    t.notOk(existsSync(join(cwd, 'data/server.json')))
  })
}

t.test('Ctrl-C that npm passes on a second time stops the server as cleanly', async (t) => {
  const server = await startServer(t, { cwd: t.testdir() })
  server.signal('SIGINT')
  server.signal('SIGINT')
  t.match(await server.ended(), { code: 0, stdout: /\nstopped\n$/ })
})

t.test('a stopped server starts again on its folder', async (t) => {
  const cwd = t.testdir()
  const first = await startServer(t, { cwd })
  first.signal('SIGINT')
  await first.ended()
  const second = await startServer(t, { cwd })
  t.not(second.pid, first.pid)
})

t.test(
  'anonymous is refused in one line without its setting, or on a public address',
  async (t) => {
    const ports = ['--mqtt-port', '0', '--http-port', '0', '--data', 'd']
    const cases: readonly (readonly [string[], RegExp])[] = [
      [['--open-topics', '#'], /^parley: .*openTopics # .*needs anonymous/],
      [['--anonymous'], /^parley: .*anonymous .*needs openTopics #/],
      [
        ['--open-topics', '#', '--anonymous', '--host', '0.0.0.0'],
        /^parley: .*0\.0\.0\.0 would let/,
      ],
    ]
    for (const [flags, message] of cases) {
      const words = ['serve', ...ports, ...flags]
      const { code, stdout, stderr } = await runParley(t, words, { cwd: t.testdir() })
      t.match({ code, stdout }, { code: 1, stdout: '' })
      t.match(stderr, message)
    }
  },
)

t.test('anonymous is warned of at the start', async (t) => {
  const flags = ['--open-topics', '#', '--anonymous']
  const server = await startServer(t, { cwd: t.testdir() }, flags)
  t.match(server.stdout(), /^WARNING: anonymous: whoever can reach this server may do everything/m)
})

t.test('a port in use is one line and exit code 1', async (t) => {
  const { mqttPort } = await startServer(t, { cwd: t.testdir() })
  const words = ['serve', '--mqtt-port', String(mqttPort), '--http-port', '0', '--data', 'd']
  const { code, stdout, stderr } = await runParley(t, words, { cwd: t.testdir() })
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(lastLine(stderr), `parley: 127.0.0.1:${mqttPort} is in use`)
  t.notMatch(stderr, /^ +at /m)
})

t.test('a data folder that cannot be made is one line and exit code 1', async (t) => {
  const cwd = t.testdir({ file: 'not a folder' })
  for (const data of ['file', 'file/below']) {
    const words = ['serve', '--mqtt-port', '0', '--http-port', '0', '--data', data]
    const { code, stdout, stderr } = await runParley(t, words, { cwd })
    t.match({ code, stdout }, { code: 1, stdout: '' }, data)
    t.match(stderr, /^parley: .*--data\n$/, data)
  }
})

t.test('a file of the data folder that must be mended is one line and exit code 1', async (t) => {
  const cwd = t.testdir()
  const first = await startServer(t, { cwd })
  first.signal('SIGINT')
  await first.ended()
  const data = join(cwd, 'data')
  const faults: Readonly<Record<string, () => void>> = {
    'keys.json is open to other users': () => chmodSync(join(data, 'keys.json'), 0o644),
    'keys.json is not a JWK Set': () =>
      writeFileSync(join(data, 'keys.json'), '{', { mode: 0o600 }),
    'is damaged': () => writeFileSync(join(data, 'parley.db'), 'x'.repeat(20_000)),
  }
  for (const [words, spoil] of Object.entries(faults)) {
    const kept = readFileSync(join(data, 'keys.json'))
    spoil()
    const command = ['serve', '--mqtt-port', '0', '--http-port', '0']
    const { code, stderr } = await runParley(t, command, { cwd })
    t.equal(code, 1)
    t.match(stderr, words)
    t.match(stderr, /^parley: .*\n$/)
    writeFileSync(join(data, 'keys.json'), kept)
    chmodSync(join(data, 'keys.json'), 0o600)
  }
})

t.test('a second server on the same folder is one line and exit code 1', async (t) => {
  const cwd = t.testdir()
  const first = await startServer(t, { cwd })
  const words = ['serve', '--mqtt-port', '0', '--http-port', '0']
  const { code, stderr } = await runParley(t, words, { cwd })
  t.equal(code, 1)
  t.match(stderr, /^parley: the data folder \S+ is in use by another process.*\n$/)
  t.match(readFileSync(join(cwd, 'data/server.json'), 'utf8'), `"pid":${first.pid}`)
})

t.test('a server that was killed leaves a file that harms nothing', async (t) => {
  const cwd = t.testdir()
  const first = await startServer(t, { cwd })
  first.signal('SIGKILL')
  await first.ended()
  t.ok(existsSync(join(cwd, 'data/server.json')))
  t.match(await runParley(t, ['user', 'add', 'alice'], { cwd }), { code: 0, stderr: '' })
  await startServer(t, { cwd })
})

t.test('a server without the broker role listens on HTTP alone', async (t) => {
  const cwd = t.testdir()
  writeFileSync(join(cwd, 'parley.json'), '{"roles": ["api"], "mqttPort": 0, "httpPort": 0}')
  const server = startParley(t, ['serve', '--config', 'parley.json'], { cwd })
  await server.until(/^data folder/m)
  t.notMatch(server.stdout(), 'mqtt://')
  t.match(server.stdout(), /^listening http:\S+ {2}\(API at \/v1, documentation at \/docs\)$/m)
})

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? ''
}
