// A process of its own that opens the store in the folder of its argument, adds a job unless there
// is one, and prints `runs` when a run of it begins, which never ends. Killed by its parent.

import { openSqliteStore } from '../../../plugins/store-sqlite/store.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: jobs-child.js <folder>')
const { jobs } = await openSqliteStore({ folder, clock: Date.now })
if ((await jobs.counts()).length === 0) {
  await jobs.add({ kind: 'mail', payload: 'x', runAt: 0, key: 'k', attemptsMax: 1 })
}
jobs.handle(
  'mail',
  () => {
    process.stdout.write('runs\n')
    return new Promise(() => {})
  },
  { concurrency: 1, timeoutMs: 60_000 },
)
setInterval(() => {}, 1000)
