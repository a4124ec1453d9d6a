// The body of the writer thread: one connection, one write after the other. Started by
// worker-writer.ts only.

import { parentPort, workerData } from 'node:worker_threads'
import { connect, loadDriver } from './connect.ts'
import { closeDriver, makeWrites } from './operations.ts'
import type { FromThread, ThreadSettings, ToThread } from './wire.ts'
import { receiveBatch, sendError, sendOutcomes } from './wire.ts'
import { callWrite } from './writer.ts'

const port = parentPort
if (port === null) throw new Error('writer-thread is started as a thread only')

const settings = workerData as ThreadSettings
const open = await loadDriver(settings.driver)

/** Does the work and sends its result, or what it threw, under this id. */
const answer = (id: number, work: () => unknown): void => {
  let message: FromThread
  try {
    message = { id, value: work() }
  } catch (error) {
    message = { id, error: sendError(error) }
  }
  port.postMessage(message)
}

answer(0, () => {
  const driver = connect(open, settings.file, settings)
  const writes = makeWrites(driver)
  port.on('message', (message: ToThread) => {
    if (message === 'close') {
      closeDriver(driver)
      port.close()
    } else if (message.name === 'append') {
      answer(message.id, () => sendOutcomes(writes.append(receiveBatch(message.batch), message.at)))
    } else {
      answer(message.id, () => callWrite(writes, message.name, message.args))
    }
  })
})
