// Tokens: what is accepted, and everything that must not be.

import { createHmac, createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { createLocalJWKSet, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import t from 'tap'
import { noGrants } from '../../../protocol/grants.ts'
import { makeTokens, tokenLengthMax } from '../../../services/auth/tokens.ts'
import { refused, testKey } from '../support/refusals.ts'

const start = Date.parse('2025-01-01T00:00:00Z')
const audience = 'parley'
const issuer = 'https://issuer.example'

function setup() {
  const time = { now: start }
  const options = { keys: [testKey], issuer, audience, ttlSeconds: 60, clock: () => time.now }
  return { time, options, tokens: makeTokens(options) }
}

/** A token like ours but for the given claims; `undefined` leaves a claim out. */
async function forge(claims: Record<string, unknown>, header: Record<string, unknown> = {}) {
  const now = start / 1000
  const payload = { iss: issuer, aud: audience, sub: 'alice', iat: now, exp: now + 60, ...claims }
  return new SignJWT(payload as JWTPayload)
    .setProtectedHeader({ alg: 'EdDSA', kid: 'test', ...header })
    .sign(createPrivateKey({ key: { ...testKey }, format: 'jwk' }))
}

function unsigned(header: object, payload: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  return `${encode(header)}.${encode(payload)}`
}

const claims = { iss: issuer, aud: audience, sub: 'alice', exp: start / 1000 + 60 }

t.test('a token opens the plain topics that its claim names', async (t) => {
  const { tokens } = setup()
  const topics = { publish: ['t/a'], subscribe: ['t/a/#', 't/+/b'] }
  const { token } = await tokens.issue('alice', 60, topics)
  t.strictSame((await tokens.verify(token)).topics, topics)
  await t.rejects(tokens.issue('alice', 60, { publish: ['u/bob/msg'], subscribe: [] }))
  for (const bad of [null, 'all', [], { publish: 't/#' }, { subscribe: ['#'] }, { admin: [] }]) {
    await refused(t, tokens.verify(await forge({ topics: bad })), 'invalid-token')
  }
  const half = await tokens.verify(await forge({ topics: { publish: ['t/#'] } }))
  t.strictSame(half.topics, { publish: ['t/#'], subscribe: [] })
})

t.test('a token names its user until the second it expires', async (t) => {
  const { time, tokens } = setup()
  const { token, expiresAt } = await tokens.issue('alice')
  t.equal(expiresAt, start + 60_000)
  t.strictSame(await tokens.verify(token), { user: 'alice', expiresAt, topics: noGrants })
  time.now = expiresAt - 1000
  t.equal((await tokens.verify(token)).user, 'alice')
  time.now = expiresAt
  const refusal = await refused(t, tokens.verify(token), 'invalid-token')
  t.equal(refusal.message, 'The token has expired.')
})

t.test('a token may be given another life than the usual', async (t) => {
  const { tokens } = setup()
  t.equal((await tokens.issue('alice', 5)).expiresAt, start + 5_000)
  await t.rejects(tokens.issue('alice', 0), RangeError)
  await t.rejects(tokens.issue('alice', 1.5), RangeError)
  await t.rejects(tokens.issue('a/b'), RangeError)
})

t.test('others can verify a token with the public keys alone', async (t) => {
  const { tokens } = setup()
  const jwks = tokens.jwks()
  const { d, ...rest } = testKey
  t.strictSame(jwks, { keys: [{ ...rest, use: 'sig' }] })
  t.notOk(JSON.stringify(jwks).includes(d), 'the private part stays inside')
  const { token } = await tokens.issue('alice')
  const keySet = createLocalJWKSet(structuredClone(jwks) as Parameters<typeof createLocalJWKSet>[0])
  const { payload, protectedHeader } = await jwtVerify(token, keySet, {
    currentDate: new Date(start),
  })
  t.match(protectedHeader, { alg: 'EdDSA', kid: 'test' })
  t.match(payload, { ...claims, iat: start / 1000, jti: /^[0-9a-f-]{36}$/ })
  t.not(
    (
      await jwtVerify((await tokens.issue('alice')).token, keySet, {
        currentDate: new Date(start),
      })
    ).payload.jti,
    payload.jti,
  )
})

t.test('every key verifies, the first one signs', async (t) => {
  const { options, tokens } = setup()
  const { token } = await tokens.issue('alice')
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const rotated = makeTokens({ ...options, keys: [{ ...jwk, kid: 'new', alg: 'EdDSA' }, testKey] })
  t.equal((await rotated.verify(token)).user, 'alice')
  const newer = (await rotated.issue('bob')).token
  t.equal((await rotated.verify(newer)).user, 'bob')
  await refused(t, tokens.verify(newer), 'invalid-token')
})

t.test('a key that cannot sign refuses the start', async (t) => {
  const { options } = setup()
  t.throws(() => makeTokens({ ...options, keys: [] }))
  t.throws(() => makeTokens({ ...options, keys: [testKey, testKey] }))
  t.throws(() => makeTokens({ ...options, keys: [{ kid: 'a', alg: 'HS256', kty: 'oct', k: 'x' }] }))
  const { d: _, ...open } = testKey
  t.throws(() => makeTokens({ ...options, keys: [open] }))
})

t.test('a forged control token with the right claims is accepted', async (t) => {
  t.equal((await setup().tokens.verify(await forge({}))).user, 'alice')
})

t.test('a token that is wrong in any one way is refused', async (t) => {
  const { tokens } = setup()
  const foreign = generateKeyPairSync('ed25519').privateKey
  const signForeign = (kid: string) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA', kid }).sign(foreign)
  const hs = unsigned({ alg: 'HS256', kid: 'test' }, claims)
  const hmac = (key: Buffer) => `${hs}.${createHmac('sha256', key).update(hs).digest('base64url')}`
  const good = await forge({})
  const [head = '', body = '', signature = ''] = good.split('.')
  const altered = Buffer.from(JSON.stringify({ ...claims, sub: 'mallory' })).toString('base64url')
  const critical = { alg: 'EdDSA', kid: 'test', crit: ['x'], x: 1 }
  const otherSignature = signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))
  const bad: Record<string, string> = {
    expired: await forge({ exp: start / 1000 - 1 }),
    'wrong audience': await forge({ aud: 'others' }),
    'no audience': await forge({ aud: undefined }),
    'wrong issuer': await forge({ iss: 'https://other.example' }),
    'no issuer': await forge({ iss: undefined }),
    'no expiry': await forge({ exp: undefined }),
    'expiry that is not a number': await forge({ exp: '9999999999' }),
    'not yet valid': await forge({ nbf: start / 1000 + 30 }),
    'no subject': await forge({ sub: undefined }),
    'empty subject': await forge({ sub: '' }),
    'subject with a slash': await forge({ sub: 'a/b' }),
    'subject with a wildcard': await forge({ sub: '+' }),
    'subject that is not a string': await forge({ sub: 7 }),
    'subject that is too long': await forge({ sub: 'a'.repeat(129) }),
    'alg none': `${unsigned({ alg: 'none', kid: 'test' }, claims)}.`,
    'alg none with a signature': `${unsigned({ alg: 'none', kid: 'test' }, claims)}.${signature}`,
    'HS256 with the public key': hmac(Buffer.from(testKey.x, 'base64url')),
    'HS256 with the public key as text': hmac(Buffer.from(testKey.x)),
    'foreign key': await signForeign('test'),
    'foreign key of an unknown kid': await signForeign('other'),
    'no kid': await forge({}, { kid: undefined }),
    'critical header nobody knows': `${unsigned(critical, claims)}.${signature}`,
    'altered body': `${head}.${altered}.${signature}`,
    'altered signature': `${head}.${body}.${otherSignature}`,
    'no signature': `${head}.${body}.`,
    'two parts': `${head}.${body}`,
    'four parts': `${good}.x`,
    nothing: '',
    'not a token': 'hello',
    NUL: '\0',
    'not ASCII': '…',
    'body that is not JSON': `${head}.aGVsbG8.${signature}`,
    oversized: await forge({ pad: 'x'.repeat(tokenLengthMax) }),
  }
  for (const [name, token] of Object.entries(bad)) {
    await t.test(name, async (t) => {
      const refusal = await refused(t, tokens.verify(token), 'invalid-token')
      const isQuoted = token.length > 1 && refusal.message.includes(token)
      t.notOk(isQuoted || refusal.message.includes('mallory'), 'says nothing of the token')
      t.ok(refusal.message.length < 100)
    })
  }
})

t.test('an oversized token is refused before its signature is looked at', async (t) => {
  const refusal = await refused(t, setup().tokens.verify('x'.repeat(9000)), 'invalid-token')
  t.match(refusal.message, /longer than 8192/)
})
