// Checks names on the command line before anything is opened.

import { isId } from '../protocol/ids.ts'
import { usageFailure } from './failures.ts'

/** Throws a usage failure unless the text may name a user or a group. */
export function demandId(what: 'user' | 'group', text: string): void {
  if (isId(text)) return
  throw usageFailure(
    `${JSON.stringify(text)} cannot name a ${what}: take 1 to 128 bytes without / + # $ or spaces`,
  )
}
