// The secrets of the data folder: made once, whoever starts first, and open to nobody else.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { loadAdminToken, loadKeys } from '../../../plugins/keys-file/keys-file.ts'
import { makeTokens } from '../../../services/auth/tokens.ts'

t.test('the first start makes a key that signs, in a file only the owner can read', async (t) => {
  const folder = join(t.testdir(), 'data')
  const keys = await loadKeys(folder)
  const mode = statSync(join(folder, 'keys.json')).mode & 0o777
  t.equal(mode, 0o600)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  t.strictSame(readdirSync(folder), ['keys.json'], 'nothing else is left')
  t.match(keys, [{ alg: 'EdDSA', crv: 'Ed25519', kid: /^[\w-]{43}$/ }])
  const options = { issuer: 'i', audience: 'a', ttlSeconds: 60, clock: Date.now }
  const { token } = await makeTokens({ keys, ...options }).issue('alice')
  const later = makeTokens({ keys: await loadKeys(folder), ...options })
  t.equal((await later.verify(token)).user, 'alice', 'the next start has the same key')
})

t.test('the first start makes a token for the administrator, and keeps it', async (t) => {
  const folder = t.testdir()
  const token = await loadAdminToken(folder)
  t.match(token, /^[A-Za-z0-9_-]{43}$/)
  t.equal(statSync(join(folder, 'admin-token')).mode & 0o777, 0o600)
  t.equal(await loadAdminToken(folder), token)
  t.not(await loadAdminToken(t.testdir({ other: {} })), token)
})

t.test('many who start together in one process agree', async (t) => {
  const folder = t.testdir()
  const tokens = await Promise.all(Array.from({ length: 20 }, () => loadAdminToken(folder)))
  t.equal(new Set(tokens).size, 1)
  t.strictSame(readdirSync(folder), ['admin-token'])
})

t.test('processes that start together agree', async (t) => {
  const folder = t.testdir()
  const module = new URL('../../../plugins/keys-file/keys-file.js', import.meta.url).href
  // Each waits for the go, so that all of them find the folder empty.
  const script = `
    const { loadKeys } = await import(${JSON.stringify(module)})
    process.stdout.write('ready\\n')
    await new Promise((resolve) => process.stdin.once('data', resolve))
    console.log((await loadKeys(${JSON.stringify(folder)}))[0].kid)
    process.exit(0)`
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script]),
  )
  const outputs = children.map((child) => text(child.stdout))
  await Promise.all(children.map((child) => once(child.stdout, 'data')))
  for (const child of children) child.stdin.write('go\n')
  const kids = await Promise.all(outputs)
  t.equal(new Set(kids).size, 1, 'one key')
  t.match(kids[0], /[\w-]{43}\n$/)
  t.strictSame(readdirSync(folder), ['keys.json'])
})

t.test('a file that others can read is refused in one line that says what to do', async (t) => {
  const folder = t.testdir()
  await loadKeys(folder)
  await loadAdminToken(folder)
  for (const [name, load] of [
    ['keys.json', loadKeys],
    ['admin-token', loadAdminToken],
  ] as const) {
    const path = join(folder, name)
    for (const mode of [0o640, 0o604, 0o660, 0o610]) {
      chmodSync(path, mode)
      const shown = `0${mode.toString(8)}`
      const loading: Promise<unknown> = load(folder)
      await t.rejects(loading, {
        message: `${path} is open to other users (mode ${shown}): run chmod 600 ${path}`,
      })
    }
    chmodSync(path, 0o600)
    await load(folder)
  }
})

t.test('a file that holds something else is refused, unquoted and untouched', async (t) => {
  const key = JSON.parse(await keysText(t.testdir({ good: {} })))
  const [first] = key.keys
  const bad: Record<string, string> = {
    'not JSON': 'topsecret{',
    empty: '',
    'no keys': '{"keys":[]}',
    'another shape': '[]',
    'a public key': JSON.stringify({ keys: [{ ...first, d: undefined }] }),
    'no kid': JSON.stringify({ keys: [{ ...first, kid: undefined }] }),
    'another curve': JSON.stringify({ keys: [{ ...first, crv: 'Ed448' }] }),
    'the same kid twice': JSON.stringify({ keys: [first, first] }),
    'too large': `{"keys":[],"pad":"${'x'.repeat(70_000)}"}`,
  }
  for (const [name, content] of Object.entries(bad)) {
    await t.test(name, async (t) => {
      const folder = t.testdir()
      const path = join(folder, 'keys.json')
      writeFileSync(path, content, { mode: 0o600 })
      const error = await loadKeys(folder).then(
        () => t.fail('was accepted'),
        (reason: Error) => reason,
      )
      t.match(error, { message: path })
      t.notMatch(error, { message: /\n|topsecret/ })
      t.equal(readFileSync(path, 'utf8'), content)
    })
  }
  const folder = t.testdir({ 'admin-token': 'short' })
  chmodSync(join(folder, 'admin-token'), 0o600)
  await t.rejects(loadAdminToken(folder), /admin-token is not a token/)
})

t.test('a folder that cannot be used is refused in one line', async (t) => {
  const folder = t.testdir({ file: 'x', 'keys.json': {} })
  await t.rejects(loadKeys(join(folder, 'file')), { message: /^cannot (read|make) .*keys\.json/ })
  await t.rejects(loadKeys(folder), { message: /keys\.json/ })
})

async function keysText(folder: string): Promise<string> {
  await loadKeys(folder)
  return readFileSync(join(folder, 'keys.json'), 'utf8')
}
