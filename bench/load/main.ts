// The load generator as a program: `node build/bench/load/main.js -mode pair -addr host:port …`
// drives any MQTT 3.1.1 broker over TCP and reports throughput, latency, loss, duplicates, order.

import { runLoad } from './conduct.ts'
import { describeOptions, readOptions } from './options.ts'

const words = process.argv.slice(2)
if (words.includes('-help') || words.includes('--help')) {
  console.log(`MQTT load generator. Flags:\n${describeOptions()}`)
} else {
  try {
    await runLoad(readOptions(words), console.log)
  } catch (error) {
    console.error(`load: ${(error as Error).message}`)
    process.exitCode = 1
  }
  // Sockets of threads that were ended must not hold the shell.
  process.stdout.write('', () => process.exit())
}
