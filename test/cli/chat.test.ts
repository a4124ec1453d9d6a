// `send` and `tail` against a running server.

import type { Test } from 'tap'
import t from 'tap'
import { runParley, startParley, startServer } from './parley.ts'

async function serverWithUsers(t: Test) {
  const cwd = t.testdir()
  const server = await startServer(t, { cwd })
  const run = (words: readonly string[]) => runParley(t, words, { cwd })
  for (const user of ['alice', 'bob']) await run(['user', 'add', user])
  const tail = async (words: readonly string[]) => {
    const running = startParley(t, ['tail', ...words], { cwd })
    await running.until(/^listening to .* as \w+\n/m)
    return running
  }
  return { cwd, server, run, tail }
}

t.test('tail prints what send sent, one line each, and ends at its count', async (t) => {
  const { run, tail } = await serverWithUsers(t)
  const bob = await tail(['u/bob/#', '--count', '2'])
  t.match(bob.stderr(), 'listening to u/bob/# as bob\n')
  for (const text of ['first', 'two\nlines']) {
    const sent = await run(['send', 'u/bob/msg', text, '--as', 'alice'])
    t.same(sent, { code: 0, stdout: '', stderr: '' })
  }
  const { code, stdout } = await bob.ended()
  t.equal(code, 0)
  const lines = stdout.split('\n').filter((line) => line.startsWith('u/bob/msg'))
  t.equal(lines.length, 2)
  for (const [index, text] of ['first', 'two\nlines'].entries()) {
    const [topic, envelope] = lines[index]?.match(/^(\S+) (.*)$/)?.slice(1) ?? []
    t.equal(topic, 'u/bob/msg')
    t.match(JSON.parse(envelope ?? ''), { from: 'alice', to: 'bob', seq: index + 1, text })
  }
})

t.test('PARLEY_TOKEN says who sends and who listens', async (t) => {
  const { cwd, run, tail } = await serverWithUsers(t)
  const token = (await run(['token', 'alice'])).stdout.trim()
  const bob = await tail(['u/bob/msg', '--count', '1'])
  const environment = { PARLEY_TOKEN: token }
  const sent = await runParley(t, ['send', 'u/bob/msg', 'hi'], { cwd, environment })
  t.match(sent, { code: 0, stderr: '' })
  t.match((await bob.ended()).stdout, '"from":"alice"')
})

t.test('a message the server refuses is explained in one line', async (t) => {
  const { run } = await serverWithUsers(t)
  for (const topic of ['u/nobody/msg', 'g/team/msg', 'some/where']) {
    const { code, stdout, stderr } = await run(['send', topic, 'hi', '--as', 'alice'])
    t.match({ code, stdout }, { code: 1, stdout: '' }, topic)
    t.match(stderr, /^parley: the server refused the message: .+\n$/, topic)
  }
})

t.test('a subscription or a token the server refuses is told in one line', async (t) => {
  const { cwd, run } = await serverWithUsers(t)
  t.match(await run(['tail', 'u/bob/#', '--as', 'alice']), {
    code: 1,
    stderr: 'parley: the server refused the subscription to u/bob/#\n',
  })
  const claims = Buffer.from('{"sub":"alice"}').toString('base64url')
  const environment = { PARLEY_TOKEN: `e30.${claims}.x` }
  t.match(await runParley(t, ['tail', 'u/alice/#'], { cwd, environment }), {
    code: 1,
    stderr: /^parley: the server refused the token: .*parley token alice`\n$/,
  })
  t.match(await run(['tail', 'u/nobody/#']), { code: 1, stderr: /^parley: .*user.*\n$/ })
})

t.test('tail ends at Ctrl-C, and when the server stops', async (t) => {
  const { server, tail } = await serverWithUsers(t)
  const [alice, bob] = [await tail(['u/alice/#']), await tail(['u/bob/#'])]
  alice.signal('SIGINT')
  t.match(await alice.ended(), { code: 0, stdout: /^(u\/alice\/event .*\n)?$/ })
  server.signal('SIGINT')
  t.match(await bob.ended(), {
    code: 1,
    stderr: /parley: the server closed the connection\n$/,
  })
  t.equal((await server.ended()).code, 0)
})
