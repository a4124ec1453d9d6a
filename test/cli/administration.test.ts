// Users, tokens and groups from the command line, on a stopped server and on a running one alike.

import type { Test } from 'tap'
import t from 'tap'
import type { Outcome, RunOptions } from './parley.ts'
import { runParley, startServer } from './parley.ts'

type Run = (words: string, input?: string) => Promise<Outcome>

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
}

async function checkCommands(t: Test, run: Run): Promise<void> {
  t.match(await run('user add alice'), { code: 0, stdout: 'user alice added\n', stderr: '' })
  t.match(await run('user add bob --password-stdin', 'correct horse battery\n'), { code: 0 })
  const again = await run('user add alice')
  t.match(again, { code: 1, stdout: '', stderr: /^parley: .*exists.*\n$/ })

  const { code, stdout, stderr } = await run('token alice')
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/, 'the token alone')
  t.match(claimsOf(stdout), { sub: 'alice', iss: 'parley', aud: 'parley' })
  const { exp, iat } = claimsOf((await run('token alice --ttl-seconds 60')).stdout)
  t.equal(Number(exp) - Number(iat), 60)
  const grants = await run('token alice --publish t/a/#,t/b --subscribe t/c')
  const topics = { publish: ['t/a/#', 't/b'], subscribe: ['t/c'] }
  t.same(claimsOf(grants.stdout).topics, topics)
  const foreign = await run('token alice --publish u/bob/msg')
  t.match(foreign, { code: 2, stderr: /^parley: --publish and --subscribe take filters below t/ })
  t.match(await run('token nobody'), { code: 1, stdout: '', stderr: /^parley: .*\n$/ })

  const group = await run('group add team --members alice,bob --title Team')
  t.match(group, { code: 0, stdout: 'group team added\n', stderr: '' })
  const twice = await run('group add team --members alice')
  t.match(twice, { code: 1, stdout: '', stderr: /^parley: .*exists.*\n$/ })
  const unknown = await run('group add other --members alice,nobody')
  t.match(unknown, { code: 1, stdout: '', stderr: /^parley: .*user.*\n$/ })
}

function runIn(t: Test, options: RunOptions): Run {
  return (words, input) =>
    runParley(t, words.split(' '), input === undefined ? options : { ...options, input })
}

t.test('on a stopped server, users, tokens and groups are made in the folder', async (t) => {
  await checkCommands(t, runIn(t, { cwd: t.testdir() }))
})

t.test('on a running server, users, tokens and groups are made through it', async (t) => {
  const cwd = t.testdir()
  await startServer(t, { cwd })
  await checkCommands(t, runIn(t, { cwd }))
})

t.test('what was made on a stopped server is there when it runs', async (t) => {
  const cwd = t.testdir()
  const run = runIn(t, { cwd })
  await run('user add alice')
  const { stdout: token } = await run('token alice')
  const { httpPort } = await startServer(t, { cwd })
  const response = await fetch(`http://127.0.0.1:${httpPort}/v1/conversations`, {
    headers: { authorization: `Bearer ${token.trim()}` },
  })
  t.equal(response.status, 200)
})

t.test('the admin token of the settings is taken for that of the folder', async (t) => {
  const cwd = t.testdir()
  const environment = { PARLEY_ADMIN_TOKEN: 'an-admin-token-of-ours' }
  await startServer(t, { cwd, environment })
  t.match(await runIn(t, { cwd, environment })('user add alice'), { code: 0 })
  const other = { PARLEY_ADMIN_TOKEN: 'another-token-altogether' }
  const refused = await runIn(t, { cwd, environment: other })('user add bob')
  t.match(refused, { code: 1, stderr: /^parley: the server refused the admin token.*\n$/ })
})

t.test('a password that is too short is refused in one line', async (t) => {
  const cwd = t.testdir()
  const refused = { code: 1, stdout: '', stderr: /^parley: .*\n$/ }
  t.match(await runIn(t, { cwd })('user add alice --password-stdin', 'x\n'), refused)
  await startServer(t, { cwd })
  t.match(await runIn(t, { cwd })('user add alice --password-stdin', 'x\n'), refused)
})

t.test('a folder held by a server without an API is told in one line', async (t) => {
  const cwd = t.testdir()
  await startServer(t, { cwd }, ['--roles', 'broker'])
  t.match(await runIn(t, { cwd })('user add alice'), { code: 1, stderr: /^parley: .*\n$/ })
})
