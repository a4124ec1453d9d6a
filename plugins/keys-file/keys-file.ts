// The keys of the local issuer and the administrator's token, as files of the data folder. They are
// made on the first start, with mode 0600, and never changed or printed.

import { join } from 'node:path'
import type { SigningKey } from '../../services/auth/ports.ts'
import type { StoredSecret } from '../../services/auth/stored-secrets.ts'
import { adminToken, signingKeys } from '../../services/auth/stored-secrets.ts'
import { readOrMakeSecret } from './secret-file.ts'

/** The signing keys of a data folder, from `keys.json`; a first one is made when there is no such
 * file. Processes that start together get the same keys. Throws an Error of one line when the file
 * cannot be read or made, is open to others, or holds anything else; it never quotes the file. */
export function loadKeys(folder: string): Promise<readonly SigningKey[]> {
  return load(join(folder, 'keys.json'), signingKeys)
}

/** The administrator's token of a data folder, from `admin-token`; made when there is no such file.
 * Throws like `loadKeys`. */
export function loadAdminToken(folder: string): Promise<string> {
  return load(join(folder, 'admin-token'), adminToken)
}

async function load<Value>(path: string, secret: StoredSecret<Value>): Promise<Value> {
  return secret.read(await readOrMakeSecret(path, secret.make), path)
}
