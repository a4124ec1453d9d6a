// The command line without a server: help, version, settings, and errors of one line.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runCommandLine } from '../../cli/run.ts'
import type { Outcome } from './parley.ts'
import { runParley } from './parley.ts'

/** Runs a command line in this process, which is twenty times as fast. */
async function run(words: readonly string[]): Promise<Outcome> {
  const [output, diagnostics] = [new PassThrough(), new PassThrough()]
  const context = { version: '1.2.3', environment: {}, input: Readable.from([]) }
  const code = await runCommandLine(words, { ...context, output, diagnostics })
  output.end()
  diagnostics.end()
  return { code, stdout: await text(output), stderr: await text(diagnostics) }
}

const commands = [
  [],
  ['serve'],
  ['user'],
  ['user', 'add'],
  ['token'],
  ['group'],
  ['group', 'add'],
  ['send'],
  ['tail'],
  ['config'],
]

t.test('every command has --help and --version', async (t) => {
  for (const words of commands) {
    const help = await run([...words, '--help'])
    t.match(help, { code: 0, stderr: '' }, `${words.join(' ')} --help`)
    t.match(help.stdout, `Usage: ${['parley', ...words].join(' ')}`)
    t.same(await run([...words, '--version']), { code: 0, stdout: '1.2.3\n', stderr: '' })
  }
})

t.test('the built program has --help and --version', async (t) => {
  const cwd = t.testdir()
  const version = await runParley(t, ['--version'], { cwd })
  t.match(version, { code: 0, stdout: /^\d+\.\d+\.\d+\n$/, stderr: '' })
  const help = await runParley(t, ['user', 'add', '--help'], { cwd })
  t.match(help, { code: 0, stdout: /^Usage: parley user add/, stderr: '' })
})

t.test('the help of serve names every setting but secrets, the main ones first', async (t) => {
  const { stdout } = await run(['serve', '--help'])
  const flags = [...stdout.matchAll(/^ {2}--([a-z-]+)/gm)].map((match) => match[1])
  t.same(flags.slice(0, 6), ['host', 'mqtt-port', 'http-port', 'data', 'roles', 'config'])
  t.ok(flags.includes('window-entries-max'))
  t.notOk(flags.includes('admin-token'))
})

t.test('a wrong command line is one line that names the help, and exit code 2', async (t) => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['start', /unknown command 'start'; see parley --help/],
    ['serve --mqtt-prot 1', /--mqtt-prot.*Did you mean --mqtt-port\?.*see parley serve --help/],
    ['user ad', /unknown command 'ad'.*see parley user --help/],
    ['user add', /missing required argument 'id'; see parley user add --help/],
    ['user add a b', /too many arguments.*see parley user add --help/],
    ['group add team', /--members.*see parley group add --help/],
    ['user add a/b', /"a\/b" cannot name a user/],
    ['group add team --members alice,', /"" cannot name a user/],
    ['group add a+b --members alice', /"a\+b" cannot name a group/],
    ['token alice --ttl-seconds soon', /--ttl-seconds must be an integer/],
    ['send u/+/msg hi', /wildcard/],
    ['send u/alice/msg hi', /--as <user>, or PARLEY_TOKEN/],
    ['tail g/+/msg', /--as <user>, or PARLEY_TOKEN/],
    ['tail u/alice/# --count 0', /--count must be/],
    ['user add alice --password-stdin', /no password/],
  ]
  for (const [words, line] of wrong) {
    const outcome = await run(words.split(' '))
    t.match(outcome, { code: 2, stdout: '', stderr: line }, words)
    t.match(outcome.stderr, /^parley: .*\n$/)
  }
})

t.test('a group of commands alone shows its help, and a wrong name exits with 2', async (t) => {
  const outcome = await run(['user'])
  t.match(outcome, { code: 2, stdout: '', stderr: /^Usage: parley user/ })
  const built = await runParley(t, ['start'], { cwd: t.testdir() })
  t.match(built, { code: 2, stdout: '', stderr: /^parley: .*'start'; see parley --help\n$/ })
})

t.test('bad settings are one line with all problems, and exit code 1', async (t) => {
  const cwd = t.testdir({ 'parley.json': '{"hots": "x"}' })
  const words = ['serve', '--mqtt-port', 'abc', '--config', 'parley.json', '--roles', 'king']
  const environment = { PARLEY_PAYLOAD_BYTES_MAX: '500000', PARLEY_FOO: 'bar' }
  const { code, stdout, stderr } = await runParley(t, words, { cwd, environment })
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^parley: .*\n$/)
  for (const part of [
    '--mqtt-port must be an integer from 0 to 65535, not "abc"',
    "'hots' in parley.json is not a setting",
    '--roles must be',
    'PARLEY_FOO is not a setting',
    'packetBytesMax (262144) must be at least',
  ]) {
    t.ok(stderr.includes(part), part)
  }
})

t.test('config prints each setting with value, unit and source, and no secret', async (t) => {
  const cwd = t.testdir()
  writeFileSync(join(cwd, 'parley.json'), '{"httpPort": 0}')
  const secret = 'a-secret-of-some-length'
  const options = { cwd, environment: { PARLEY_ADMIN_TOKEN: secret, PARLEY_HOST: '::1' } }
  const words = ['config', '--config', 'parley.json', '--append-wait-ms', '500']
  const table = await runParley(t, words, options)
  t.equal(table.code, 0)
  t.match(table.stdout, /^host +::1 +PARLEY_HOST$/m)
  t.match(table.stdout, /^httpPort +0 +port +file parley\.json$/m)
  t.match(table.stdout, /^appendWaitMs +500 +ms +--append-wait-ms$/m)
  t.match(table.stdout, /^roles +broker,api,jobs +default$/m)
  t.match(table.stdout, /^adminToken +\[secret\] +PARLEY_ADMIN_TOKEN$/m)
  const json = await runParley(t, [...words, '--json'], options)
  t.match(JSON.parse(json.stdout), {
    appendWaitMs: { value: 500, unit: 'ms', source: '--append-wait-ms' },
    adminToken: { value: '[secret]', source: 'PARLEY_ADMIN_TOKEN' },
    roles: { value: ['broker', 'api'], unit: null, source: 'default' },
  })
  t.notMatch(table.stdout + json.stdout + table.stderr + json.stderr, secret)
})

t.test('a reader that goes away is no error', async (t) => {
  const program = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
  const child = spawn(process.execPath, [program, 'config'], { env: {}, stdio: 'pipe' })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  t.same(await once(child, 'close'), [0, null])
  t.equal(stderr, '')
})

t.test('commands that need a running server say so', async (t) => {
  const cwd = t.testdir()
  const noServer = /^parley: no server runs .*: start one with `npx parley serve`\n$/
  t.match(await runParley(t, ['tail', 'u/alice/#'], { cwd }), { code: 1, stderr: noServer })
  const send = ['send', 'u/alice/msg', 'hi']
  t.match(await runParley(t, [...send, '--as', 'alice'], { cwd }), { code: 1, stderr: noServer })
  const claims = Buffer.from('{"sub":"alice"}').toString('base64url')
  const environment = { PARLEY_TOKEN: `e30.${claims}.`, PARLEY_MQTT_PORT: '1' }
  t.match(await runParley(t, send, { cwd, environment }), { code: 1, stderr: noServer })
  const bad = { cwd, environment: { PARLEY_TOKEN: 'nonsense' } }
  t.match(await runParley(t, send, bad), { code: 1, stderr: /^parley: PARLEY_TOKEN is not a tok/ })
})
