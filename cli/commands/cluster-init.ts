// `parley cluster init`: makes the MongoDB of a cluster ready, once before the first server starts.

import type { Command } from 'commander'
import { pino } from 'pino'
import type { Context } from '../context.ts'
import { usageFailure } from '../failures.ts'
import { addAllSettings, readSettings } from '../options.ts'

/** Adds the command below `cluster`. */
export function addClusterInit(cluster: Command, context: Context): void {
  const command = cluster
    .command('init')
    .description('make the collections and indexes of MONGODB_URL, and shard them behind a mongos')
  addAllSettings(command)
  command.action(async () => {
    const { settings } = readSettings(command, context)
    const url = settings.mongodbUrl?.reveal()
    if (url === undefined) throw usageFailure('MONGODB_URL is not set')
    // Only this command needs the driver.
    const { initCluster } = await import('../../plugins/store-mongo/init.ts')
    const lines = await initCluster(url, pino({ level: 'silent' }))
    for (const line of lines) context.output.write(`${line}\n`)
  })
}
