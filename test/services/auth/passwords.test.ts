// Passwords: their hashes, the bounds on them, and what hashing does to the rest of the process.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import t from 'tap'
import { makePasswords } from '../../../services/auth/passwords.ts'
import { refused } from '../support/refusals.ts'

const password = 'correct horse battery staple'

t.test('a hash is a PHC string with its cost and its own salt', async (t) => {
  const passwords = makePasswords()
  const [a, b] = await Promise.all([passwords.hash(password), passwords.hash(password)])
  t.match(a, /^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  t.not(a, b)
  t.equal(await passwords.verify(password, a), true)
  t.equal(await makePasswords().verify(password, b), true)
})

t.test('only the same password verifies', async (t) => {
  const passwords = makePasswords()
  const stored = await passwords.hash(password)
  t.equal(await passwords.verify(`${password} `, stored), false)
  t.equal(await passwords.verify(password.toUpperCase(), stored), false)
  t.equal(await passwords.verify('', stored), false)
  t.equal(await passwords.verify('x'.repeat(257), stored), false)
})

t.test('a hash of another cost verifies, as RFC 7914 computes it', async (t) => {
  // The test vector of section 12: N=1024, r=8, p=16 cannot be used, as p is above our bound;
  // N=16384, r=8, p=1, its first 32 bytes.
  const hash = Buffer.from(
    '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2',
    'hex',
  )
  const salt = Buffer.from('SodiumChloride')
  const encode = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
  const stored = `$scrypt$ln=14,r=8,p=1$${encode(salt)}$${encode(hash)}`
  t.equal(await makePasswords().verify('pleaseletmein', stored), true)
})

t.test('accents may be composed or not', async (t) => {
  const passwords = makePasswords()
  const stored = await passwords.hash('caf\u00e9 caf\u00e9')
  t.equal(await passwords.verify('cafe\u0301 cafe\u0301', stored), true)
})

t.test('length is bounded, in characters', async (t) => {
  const passwords = makePasswords()
  await refused(t, passwords.hash('1234567'), 'invalid-request')
  await refused(t, passwords.hash('x'.repeat(257)), 'invalid-request')
  await refused(t, passwords.hash('x'.repeat(10_000_000)), 'invalid-request')
  const emoji = '😀'.repeat(256)
  t.equal(await passwords.verify(emoji, await passwords.hash(emoji)), true)
})

t.test('without a hash it says no, after as much work', async (t) => {
  const passwords = makePasswords()
  const stored = await passwords.hash(password)
  async function fastest(hash: string | null | undefined): Promise<number> {
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const before = performance.now()
      t.equal(await passwords.verify('wrong password', hash), false)
      times.push(performance.now() - before)
    }
    return Math.min(...times)
  }
  const known = await fastest(stored)
  // Skipping the hash would take well under a millisecond against some hundred.
  t.ok((await fastest(undefined)) > known / 2)
  t.ok((await fastest(null)) > known / 2)
})

t.test('beyond its queue it refuses, and what waits is served', async (t) => {
  const passwords = makePasswords()
  const cheap = `$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ$${'A'.repeat(43)}`
  const results = await Promise.allSettled(
    Array.from({ length: 80 }, () => passwords.verify(password, cheap)),
  )
  const answered = results.filter(({ status }) => status === 'fulfilled').length
  t.equal(answered, 66, '2 at once and 64 waiting')
  const rejected = results.find((result) => result.status === 'rejected')
  t.match(rejected?.reason, { code: 'rate-limited' })
  t.equal(await passwords.verify(password, cheap), false, 'and goes on')
})

t.test('a failed hash gives its turn back', async (t) => {
  const passwords = makePasswords()
  for (let i = 0; i < 5; i++) await t.rejects(passwords.verify(password, '$scrypt$ln=0,r=0,p=0$'))
  const stored = await passwords.hash(password)
  const tooMuch = `$scrypt$ln=31,r=8,p=1$c2FsdHNhbHQ$${'A'.repeat(43)}`
  await t.rejects(passwords.verify(password, tooMuch), /costly/)
  // N=1 is within the bounds and is refused by scrypt itself, inside a turn.
  const broken = `$scrypt$ln=0,r=8,p=1$c2FsdHNhbHQ$${'A'.repeat(43)}`
  for (let i = 0; i < 5; i++) await t.rejects(passwords.verify(password, broken))
  t.equal(await passwords.verify(password, stored), true)
})

t.test('the event loop turns while passwords are hashed', async (t) => {
  const passwords = makePasswords()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const before = performance.now()
  await Promise.all([passwords.hash(password), passwords.hash(password)])
  const took = performance.now() - before
  delay.disable()
  t.ok(delay.percentile(50) / 1e6 < took / 4, `half of the delays are below ${took / 4} ms`)
  t.ok(delay.count > 5, 'timers ran')
})
