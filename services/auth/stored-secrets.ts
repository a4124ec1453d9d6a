// The secrets a server keeps between its starts, as text: how they are made, and what is taken for
// one. Where they are kept is for plugins.

import { randomBytes } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { OperatorFault } from '../../protocol/failure.ts'
import type { SigningKey } from './ports.ts'

/** A secret as text. */
export interface StoredSecret<Value> {
  make(): Promise<string>
  /** Throws `OperatorFault` when the text is none; its message names the place, and never quotes
   * the text. */
  read(text: string, place: string): Value
}

/** A JWK Set (RFC 7517) of Ed25519 private keys. The first one signs. To change keys, put a new one
 * first and remove the old one when its last token has expired. */
const keySet = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.Literal('OKP'),
      crv: Type.Literal('Ed25519'),
      kid: Type.String({ minLength: 1, maxLength: 128 }),
      alg: Type.Literal('EdDSA'),
      x: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
      d: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
    }),
    { minItems: 1, maxItems: 16 },
  ),
})
const keySetCheck = Compile(keySet)

/** The signing keys. */
export const signingKeys: StoredSecret<readonly SigningKey[]> = {
  async make() {
    const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
    const jwk = await exportJWK(privateKey)
    const kid = await calculateJwkThumbprint(jwk)
    return `${JSON.stringify({ keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] }, null, 2)}\n`
  },
  read(text, place) {
    const value = parseJson(text)
    if (!keySetCheck.Check(value)) {
      throw new OperatorFault(`${place} is not a JWK Set of Ed25519 private keys with kid and alg`)
    }
    if (new Set(value.keys.map((key) => key.kid)).size !== value.keys.length) {
      throw new OperatorFault(`${place} has two keys of the same kid`)
    }
    return value.keys
  },
}

/** The administrator's token: 32 random bytes in base64url, when it is made here. */
export const adminToken: StoredSecret<string> = {
  make: async () => `${randomBytes(32).toString('base64url')}\n`,
  read(text, place) {
    const token = text.trim()
    if (!/^[A-Za-z0-9_-]{32,256}$/.test(token)) {
      throw new OperatorFault(`${place} is not a token of 32 to 256 letters, digits, - and _`)
    }
    return token
  },
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which is secret.
    return undefined
  }
}
