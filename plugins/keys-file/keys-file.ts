// The keys of the local issuer and the administrator's token, as files of the data folder. They are
// made on the first start, with mode 0600, and never changed or printed.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { OperatorFault } from '../../protocol/failure.ts'
import type { SigningKey } from '../../services/auth/ports.ts'
import { readOrMakeSecret } from './secret-file.ts'

/** `keys.json`: a JWK Set (RFC 7517) of Ed25519 private keys. The first one signs. To change keys,
 * put a new one first and remove the old one when its last token has expired. */
const keysFile = Type.Object({
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
const keysFileCheck = Compile(keysFile)

/** The signing keys of a data folder, from `keys.json`; a first one is made when there is no such
 * file. Processes that start together get the same keys. Throws an Error of one line when the file
 * cannot be read or made, is open to others, or holds anything else; it never quotes the file. */
export async function loadKeys(folder: string): Promise<SigningKey[]> {
  const path = join(folder, 'keys.json')
  const value = parseJson(await readOrMakeSecret(path, makeKeys))
  if (!keysFileCheck.Check(value)) {
    throw new OperatorFault(`${path} is not a JWK Set of Ed25519 private keys with kid and alg`)
  }
  if (new Set(value.keys.map((key) => key.kid)).size !== value.keys.length) {
    throw new OperatorFault(`${path} has two keys of the same kid`)
  }
  return value.keys
}

/** The administrator's token of a data folder, from `admin-token`: 32 random bytes in base64url,
 * made when there is no such file. Throws like `loadKeys`. */
export async function loadAdminToken(folder: string): Promise<string> {
  const path = join(folder, 'admin-token')
  const text = await readOrMakeSecret(
    path,
    async () => `${randomBytes(32).toString('base64url')}\n`,
  )
  const token = text.trim()
  if (!/^[A-Za-z0-9_-]{32,256}$/.test(token)) {
    throw new OperatorFault(`${path} is not a token of 32 to 256 letters, digits, - and _`)
  }
  return token
}

async function makeKeys(): Promise<string> {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint(jwk)
  return `${JSON.stringify({ keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] }, null, 2)}\n`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which is secret.
    return undefined
  }
}
