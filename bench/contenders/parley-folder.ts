// Prepares a data folder for a load: all users and groups in one transaction, which is much quicker
// than one by one, and a token for each user, in a file that the load generator reads.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadSettings } from '../../config/load.ts'
import { loadKeys } from '../../plugins/keys-file/keys-file.ts'
import { connect, loadDriver } from '../../plugins/store-sqlite/connect.ts'
import { makeConversationWrites } from '../../plugins/store-sqlite/conversation-writes.ts'
import { migrate } from '../../plugins/store-sqlite/schema.ts'
import { makeTransact, type Transact } from '../../plugins/store-sqlite/transaction.ts'
import { makeUserWrites } from '../../plugins/store-sqlite/users.ts'
import { systemClock } from '../../protocol/clock.ts'
import { makeTokens } from '../../services/auth/tokens.ts'
import type { Population } from './contender.ts'

/** Makes the store and the keys in an empty folder, and the file of `user<TAB>token` lines, one for
 * each user in the order of the population. */
export async function prepareFolder(
  data: string,
  population: Population,
  usersFile: string,
): Promise<void> {
  await fillStore(data, population)
  const { issuer, audience, tokenTtlSeconds } = loadSettings({
    flags: {},
    environment: {},
    readFile: () => '{}',
  }).settings
  const keys = await loadKeys(data)
  const ttlSeconds = tokenTtlSeconds
  const tokens = makeTokens({ keys, issuer, audience, ttlSeconds, clock: systemClock })
  const lines = await Promise.all(
    population.users.map(async (user) => `${user}\t${(await tokens.issue(user)).token}\n`),
  )
  writeFileSync(usersFile, lines.join(''), { mode: 0o600 })
}

async function fillStore(data: string, { users, groups }: Population): Promise<void> {
  const open = await loadDriver()
  const driver = connect(open, join(data, 'parley.db'), {})
  try {
    migrate(driver)
    // The writes' own transactions become parts of one.
    const within: Transact = (work) => work()
    const userWrites = makeUserWrites(driver, within)
    const conversationWrites = makeConversationWrites(driver, within)
    const at = systemClock()
    makeTransact(driver)(() => {
      const members = groups.flatMap((group) => group.members)
      for (const user of new Set([...users, ...members])) userWrites.createUser(user, undefined, at)
      for (const { id, members } of groups) {
        const [owner = '', ...others] = members
        const made = conversationWrites.createGroup(
          { group: id, title: id, owner, members: others },
          at,
        )
        if (made.kind !== 'created') throw new Error(`the group ${id} could not be made`)
      }
    })
  } finally {
    driver.close()
  }
}
