// From an error to the one line that the user reads, and the exit code. What is expected to go
// wrong never shows a stack trace; what is not expected shows it, as it is a bug.

import { SettingsError } from '../config/load.ts'
import { Refusal } from '../protocol/errors.ts'
import { OperatorFault, StoreFailure } from '../protocol/failure.ts'

/** A failure whose message is written for the user and says what to do. */
export class CommandFailure extends Error {
  /** 2 when the command line is wrong, else 1. */
  readonly exitCode: number

  constructor(message: string, exitCode = 1) {
    super(message)
    this.name = 'CommandFailure'
    this.exitCode = exitCode
  }
}

/** A command line that cannot be meant. */
export function usageFailure(message: string): CommandFailure {
  return new CommandFailure(message, 2)
}

export interface FailureReport {
  /** Without the product's name and the line feed. */
  readonly text: string
  readonly exitCode: number
}

/** What to print for an error, and how to exit. */
export function describeFailure(error: unknown): FailureReport {
  if (error instanceof CommandFailure) return { text: oneLine(error), exitCode: error.exitCode }
  const isExpected =
    error instanceof Refusal || error instanceof SettingsError || error instanceof OperatorFault
  if (isExpected) return { text: oneLine(error), exitCode: 1 }
  if (isFolderInUse(error)) {
    const text = `${oneLine(error)}: stop that, or choose another folder with --data`
    return { text, exitCode: 1 }
  }
  const text = describeSystemError(error)
  if (text !== undefined) return { text, exitCode: 1 }
  if (error instanceof StoreFailure) {
    return { text: `the store cannot be used: ${oneLine(error)}`, exitCode: 1 }
  }
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { text: `this is a bug, please report it: ${shown}`, exitCode: 1 }
}

/** Whether a store refused because another process has its folder. */
export function isFolderInUse(error: unknown): error is Error {
  return error instanceof Error && error.name === 'FolderInUse'
}

function oneLine(error: Error): string {
  return error.message.replaceAll(/\s*\n\s*/g, ' ')
}

const listenAdvice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use: stop the program that uses it, or choose another port',
  EACCES: 'is not open to this user: choose a port above 1023',
  EADDRNOTAVAIL: 'is not an address of this machine: choose another with --host',
}

const pathReasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is not a folder',
  EEXIST: 'a file is in the way',
  EISDIR: 'it is a folder',
  ENOENT: 'it does not exist',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EMFILE: 'too many open files',
  EIO: 'the disk does not answer',
}

interface SystemError extends Error {
  readonly code: string
  readonly syscall?: string
  readonly path?: string
  readonly address?: string
  readonly port?: number
  readonly hostname?: string
}

/** An error of the operating system, in words; undefined for any other. Looks through causes. */
function describeSystemError(error: unknown, depthLeft = 4): string | undefined {
  if (!(error instanceof Error)) return undefined
  if (isSystemError(error)) {
    const text = describeListenError(error) ?? describePathError(error)
    if (text !== undefined) return text
  }
  return depthLeft > 0 ? describeSystemError(error.cause, depthLeft - 1) : undefined
}

function isSystemError(error: Error): error is SystemError {
  return 'code' in error && typeof error.code === 'string'
}

function describeListenError(error: SystemError): string | undefined {
  if (error.syscall === 'getaddrinfo') {
    return `${error.hostname} is not the name of an address: choose another with --host`
  }
  const advice = listenAdvice[error.code]
  // One of several workers is told of its port's fate by who binds it.
  const isListening = error.syscall === 'listen' || error.syscall === 'bind'
  if (!isListening || advice === undefined) return undefined
  const ports = error.code === 'EADDRINUSE' ? ' with --mqtt-port or --http-port' : ''
  const port = error.port === undefined ? '' : `:${error.port}`
  return `${error.address}${port} ${advice}${ports}`
}

function describePathError(error: SystemError): string | undefined {
  const reason = pathReasons[error.code]
  if (reason === undefined) return undefined
  const path = error.path ?? 'the data folder'
  return `cannot use ${path}: ${reason}; mend that, or choose another folder with --data`
}
