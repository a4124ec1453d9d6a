// Tokens: issues and verifies the JWTs (RFC 7519) that say who a client is, for MQTT and for HTTP.
// Verification is local and needs no store; a token is good until it expires.

import { createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import { errors, type JWSHeaderParameters, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import type { Clock } from '../../protocol/clock.ts'
import { Refusal } from '../../protocol/errors.ts'
import type { TopicGrants } from '../../protocol/grants.ts'
import { readTopicGrants } from '../../protocol/grants.ts'
import { isId } from '../../protocol/ids.ts'
import type { SigningKey } from './ports.ts'

/** Longest token that is looked at, in characters; a longer one is refused unparsed. */
export const tokenLengthMax = 8192

/** The only signature accepted and made: Ed25519 (RFC 8037). */
const algorithm = 'EdDSA'

export interface IssuedToken {
  readonly token: string
  /** When it stops working, ms since the epoch. */
  readonly expiresAt: number
}

interface VerifiedToken {
  readonly user: string
  /** When it stops working, ms since the epoch. */
  readonly expiresAt: number
  /** The plain topics it opens: its claim `topics`. */
  readonly topics: TopicGrants
}

/** A public key as a JWK (RFC 8037). */
interface PublicKey {
  readonly kty: string
  readonly crv: string
  readonly x: string
  readonly kid: string
  readonly alg: string
  readonly use: 'sig'
}

export interface Tokens {
  /** Makes a token for a user, whether or not the user exists. It lives for `ttlSeconds`, 1 or
   * more, by default for the time given to `makeTokens`, and opens `topics`, by default none. */
  issue(user: string, ttlSeconds?: number, topics?: TopicGrants): Promise<IssuedToken>
  /** Reads a token. Throws `Refusal('invalid-token')` unless it is signed by one of the keys, for
   * this issuer and audience, not expired, and names a user; the detail never quotes the token. */
  verify(token: string): Promise<VerifiedToken>
  /** The public keys as a JWK Set (RFC 7517). */
  jwks(): { readonly keys: readonly PublicKey[] }
}

export interface TokensOptions {
  /** The first key signs, all of them verify. At least one; each of another `kid`. */
  readonly keys: readonly SigningKey[]
  readonly issuer: string
  readonly audience: string
  /** How long a token lives, in seconds. */
  readonly ttlSeconds: number
  readonly clock: Clock
}

interface ImportedKey {
  readonly kid: string
  readonly secret: KeyObject
  readonly verifier: KeyObject
}

/** Makes the issuer. Throws at once when a key is not a usable Ed25519 private key. */
export function makeTokens(options: TokensOptions): Tokens {
  const { issuer, audience, clock } = options
  const imported = options.keys.map(importKey)
  const byKid = new Map(imported.map((key) => [key.kid, key.verifier]))
  const [signer] = imported
  if (signer === undefined) throw new Error('no key to sign tokens with')
  if (byKid.size !== imported.length) throw new Error('two signing keys have the same kid')

  function findVerifier(header: JWSHeaderParameters): KeyObject {
    const verifier = header.kid === undefined ? undefined : byKid.get(header.kid)
    if (verifier === undefined) throw new Refusal('invalid-token', 'The token has an unknown key.')
    return verifier
  }

  return {
    async issue(user, ttlSeconds = options.ttlSeconds, topics) {
      if (!isId(user)) throw new RangeError('a token is for a valid user id')
      if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1) {
        throw new RangeError('a token lives for 1 or more whole seconds')
      }
      const now = Math.floor(clock() / 1000)
      if (readTopicGrants(topics) === undefined) throw new RangeError('grants of other topics')
      const token = await new SignJWT(topics === undefined ? {} : { topics })
        .setProtectedHeader({ alg: algorithm, kid: signer.kid, typ: 'JWT' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(user)
        .setIssuedAt(now)
        .setExpirationTime(now + ttlSeconds)
        .setJti(randomUUID())
        .sign(signer.secret)
      return { token, expiresAt: (now + ttlSeconds) * 1000 }
    },

    async verify(token) {
      if (token.length > tokenLengthMax) {
        throw new Refusal('invalid-token', `The token is longer than ${tokenLengthMax} characters.`)
      }
      const payload = await readToken(token, findVerifier, {
        issuer,
        audience,
        algorithms: [algorithm],
        requiredClaims: ['exp', 'sub'],
        // One clock issues and verifies, so there is no skew to tolerate.
        currentDate: new Date(clock()),
      })
      const { sub, exp } = payload
      if (typeof sub !== 'string' || !isId(sub) || exp === undefined) {
        throw new Refusal('invalid-token', "The token's 'sub' is not a user id.")
      }
      const topics = readTopicGrants(payload.topics)
      if (topics === undefined) {
        throw new Refusal('invalid-token', "The token's 'topics' grants what no token can.")
      }
      return { user: sub, expiresAt: exp * 1000, topics }
    },

    jwks: () => ({ keys: imported.map(publicKey) }),
  }
}

function importKey(key: SigningKey): ImportedKey {
  if (key.kty !== 'OKP' || key.crv !== 'Ed25519') {
    throw new Error(`signing key ${key.kid}: only Ed25519 keys are supported`)
  }
  const secret = createPrivateKey({ key: { ...key }, format: 'jwk' })
  return { kid: key.kid, secret, verifier: createPublicKey(secret) }
}

function publicKey({ kid, verifier }: ImportedKey): PublicKey {
  // Named one by one: a member that is not in this list can never leave the server.
  const { kty = '', crv = '', x = '' } = verifier.export({ format: 'jwk' })
  return { kty, crv, x, kid, alg: algorithm, use: 'sig' }
}

async function readToken(
  token: string,
  findKey: (header: JWSHeaderParameters) => KeyObject,
  options: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, findKey, options)).payload
  } catch (error) {
    throw asRefusal(error)
  }
}

/** Turns a failure of jose into a refusal whose detail holds nothing of the token. */
function asRefusal(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) {
    return new Refusal('invalid-token', 'The token has expired.')
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new Refusal('invalid-token', `The token's '${error.claim}' is missing or wrong.`)
  }
  if (error instanceof errors.JOSEError || error instanceof TypeError) {
    return new Refusal('invalid-token', 'The token is malformed, or not signed for this service.')
  }
  return error
}
