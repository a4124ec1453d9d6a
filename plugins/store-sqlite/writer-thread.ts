// The body of the writer thread: one connection, one write after the other; those that wait at the
// same time are committed together. Started by worker-writer.ts only.

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { connect, loadDriver } from './connect.ts'
import type { Call, Outcome } from './group-commit.ts'
import { makeCommitGroup } from './group-commit.ts'
import { closeDriver } from './operations.ts'
import type { FromThread, ThreadSettings, ToThread, WriteCall } from './wire.ts'
import { receiveBatch, sendError, sendOutcomes } from './wire.ts'
import { callWrite } from './writer.ts'

const port = parentPort
if (port === null) throw new Error('writer-thread is started as a thread only')

const settings = workerData as ThreadSettings
const open = await loadDriver(settings.driver)
/** Most writes of one commit. */
const groupMax = 256

const answer = (id: number, outcome: Outcome): void => {
  const message: FromThread =
    'error' in outcome ? { id, error: sendError(outcome.error) } : { id, value: outcome.value }
  port.postMessage(message)
}

const callOf =
  (message: WriteCall): Call =>
  (writes) =>
    message.name === 'append'
      ? sendOutcomes(writes.append(receiveBatch(message.batch), message.at))
      : callWrite(writes, message.name, message.args)

/** The message, and those that wait behind it. */
const takeAll = (first: ToThread): ToThread[] => {
  const messages = [first]
  while (messages.length < groupMax) {
    const next = receiveMessageOnPort(port) as { readonly message: ToThread } | undefined
    if (next === undefined) break
    messages.push(next.message)
  }
  return messages
}

const start = (): void => {
  const driver = connect(open, settings.file, settings)
  const commitGroup = makeCommitGroup(driver)
  port.on('message', (first: ToThread) => {
    const messages = takeAll(first)
    const calls = messages.filter((message) => message !== 'close')
    const outcomes = calls.length === 0 ? [] : commitGroup(calls.map(callOf))
    for (const [index, { id }] of calls.entries()) answer(id, outcomes[index] as Outcome)
    if (calls.length === messages.length) return
    closeDriver(driver)
    port.close()
  })
}

try {
  start()
  answer(0, { value: undefined })
} catch (error) {
  answer(0, { error })
}
