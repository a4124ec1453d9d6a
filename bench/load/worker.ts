// A worker thread of the load generator: does the steps it is asked for, and answers each with how
// it stands.

import { parentPort, workerData } from 'node:worker_threads'
import { makeFlow } from './flow.ts'
import { makeIdle } from './idle.ts'
import { makeOffline } from './offline.ts'
import type { Answer, Request, Work, WorkerTask } from './steps.ts'

const modes: Readonly<Record<string, (task: WorkerTask) => Work>> = {
  pair: makeFlow,
  group: makeFlow,
  idle: makeIdle,
  offline: makeOffline,
}

const task = workerData as WorkerTask
const work = modes[task.options.mode]?.(task)
if (work === undefined) throw new Error(`there is no mode ${task.options.mode}`)

async function perform(work: Work, { step, argument }: Request): Promise<Answer> {
  try {
    await work.steps[step]?.(argument)
    return { snapshot: work.snapshot() }
  } catch (error) {
    return { snapshot: work.snapshot(), error: (error as Error).message }
  }
}

parentPort?.on('message', async (request: Request) => {
  parentPort?.postMessage(await perform(work, request))
})
