// Runs one command line and turns its outcome into an exit code. It touches no global state.

import { CommanderError } from 'commander'
import type { Context } from './context.ts'
import { describeFailure } from './failures.ts'
import { makeProgram } from './program.ts'

const usageExitCode = 2

/** Runs the words of a command line. Returns the exit code: 0, 2 for a wrong command line, 1 for
 * any other failure, which has then been told on `diagnostics`. Never throws. */
export async function runCommandLine(words: readonly string[], context: Context): Promise<number> {
  try {
    await makeProgram(context).parseAsync(words, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageExitCode
    const { text, exitCode } = describeFailure(error)
    context.diagnostics.write(`parley: ${text}\n`)
    return exitCode
  }
}
