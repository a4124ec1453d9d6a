// A process of its own that opens the store in the folder of its argument, appends messages one
// after the other, and prints the seq of each one when it is acknowledged. Killed by its parent.

import { openSqliteStore } from '../../../plugins/store-sqlite/store.ts'
import { text, town, withGroup } from '../../contract/engine.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: child.js <folder>')
const store = await openSqliteStore({ folder, clock: Date.now })
await withGroup(store, 'alice')
for (let n = (await store.log.read(town, { limit: 1, newestFirst: true }))[0]?.seq ?? 0; ; ) {
  const [outcome] = await store.log.append([text('alice', `m${++n}`)], n)
  process.stdout.write(`${outcome?.seq}\n`)
}
