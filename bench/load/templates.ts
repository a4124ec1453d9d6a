// Templates of names, topics and payloads, and the mark that each payload carries: who sent it,
// as which number, and when. The mark is found again in whatever the broker makes of the payload.

/** Fills `{i}`, the number of the pair or group, and `{m}`, the number of the member. */
export function fill(template: string, i: number, m: number): string {
  return template.replaceAll('{i}', String(i)).replaceAll('{m}', String(m))
}

export interface Composer {
  /** The payload of a sender's message, as latin1 text of its bytes. `at` is in whole µs. */
  compose(number: number, at: number): string
}

export interface ComposerOptions {
  /** The payload template with `{id}` and `{mark}`. */
  readonly body: string
  /** Length of what `{mark}` becomes, in bytes; a longer mark stays as it is. */
  readonly size: number
  /** Sets the ids of this run apart from those of others. */
  readonly run: string
  readonly sender: number
}

/** Makes the payloads of one sender. */
export function makeComposer({ body, size, run, sender }: ComposerOptions): Composer {
  const parts = Buffer.from(body)
    .toString('latin1')
    .split(/(\{id\}|\{mark\})/)
  const padding = 'x'.repeat(size)
  return {
    compose(number, at) {
      let payload = ''
      for (const part of parts) {
        if (part === '{id}') payload += `${run}-${sender}-${number}`
        else if (part === '{mark}') {
          const mark = `@@${sender},${number},${at}@@`
          payload += mark.length < size ? mark + padding.slice(mark.length) : mark
        } else payload += part
      }
      return payload
    },
  }
}

/** What a mark says; filled anew by each `read`. */
export interface MarkReader {
  sender: number
  number: number
  /** When it was sent, or should have been, µs. */
  at: number
  /** Finds and reads the mark in a payload; false when there is none. */
  read(bytes: Buffer, start: number, end: number): boolean
}

const atSign = 0x40
const comma = 0x2c
const zero = 0x30

/** Makes a reader that looks first where the last mark was: payloads of one broker are alike. */
export function makeMarkReader(): MarkReader {
  let offset = 0
  let position = 0

  /** The number that begins here and ends with the character; NaN if it is none. */
  const readNumber = (bytes: Buffer, end: number, terminator: number): number => {
    let value = 0
    const from = position
    for (; position < end; position++) {
      const digit = (bytes[position] as number) - zero
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    const isNumber = position > from && position < end && bytes[position] === terminator
    position++
    return isNumber ? value : Number.NaN
  }

  const isMark = (bytes: Buffer, at: number): boolean =>
    bytes[at] === atSign && bytes[at + 1] === atSign

  return {
    sender: 0,
    number: 0,
    at: 0,
    read(bytes, start, end) {
      if (!isMark(bytes, start + offset)) {
        const found = bytes.indexOf('@@', start, 'latin1')
        if (found < 0 || found >= end) return false
        offset = found - start
      }
      position = start + offset + 2
      this.sender = readNumber(bytes, end, comma)
      this.number = readNumber(bytes, end, comma)
      this.at = readNumber(bytes, end, atSign)
      return !Number.isNaN(this.sender + this.number + this.at)
    },
  }
}
