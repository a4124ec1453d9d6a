#!/usr/bin/env node
// The program `parley`: gives the process's streams and environment to one command line. The only
// file that reads the environment.

import { runCommandLine } from './run.ts'
import { version } from './version.ts'

// A reader that has gone (`parley tail … | head -1`) is no failure.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

process.exitCode = await runCommandLine(process.argv.slice(2), {
  version,
  environment: process.env,
  input: process.stdin,
  output: process.stdout,
  diagnostics: process.stderr,
})
// Whatever a command left open must not hold the shell.
process.stdout.write('', () => process.exit())
