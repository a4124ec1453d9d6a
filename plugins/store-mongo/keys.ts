// The keys of the local issuer and the administrator's token, which the processes of a cluster have
// in common: the first that starts makes them, and nobody changes them.

import type { Collection } from 'mongodb'
import type { SigningKey } from '../../services/auth/ports.ts'
import type { StoredSecret } from '../../services/auth/stored-secrets.ts'
import { adminToken, signingKeys } from '../../services/auth/stored-secrets.ts'
import type { SecretDocument } from './collections.ts'
import { readMsMax } from './connect.ts'
import { withFailures } from './failures.ts'

export interface StoredKeys {
  /** The signing keys; a first one is made when there are none. Processes that start together get
   * the same. Rejects with `OperatorFault`, which never quotes them, when something else stands
   * there. */
  loadKeys(): Promise<readonly SigningKey[]>
  /** The administrator's token, as `loadKeys`. */
  loadAdminToken(): Promise<string>
}

/** Makes the reader of the collection `keys`. */
export function makeStoredKeys(keys: Collection<SecretDocument>): StoredKeys {
  const find = async (name: string) => {
    const found = await keys.findOne({ _id: name }, { maxTimeMS: readMsMax })
    return found?.text
  }

  /** Only the first one writes; the others find what it wrote. */
  const make = async (name: string, text: string) => {
    const filter = { _id: name }
    await keys.updateOne(filter, { $setOnInsert: { text } }, { upsert: true })
    return find(name)
  }

  const load = <Value>(name: string, secret: StoredSecret<Value>): Promise<Value> =>
    withFailures(async () => {
      const text = (await find(name)) ?? (await make(name, await secret.make()))
      return secret.read(text ?? '', `the document ${name} in the collection keys`)
    })

  return {
    loadKeys: () => load('signing-keys', signingKeys),
    loadAdminToken: () => load('admin-token', adminToken),
  }
}
