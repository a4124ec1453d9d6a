// A secret: a string that does not print itself. Whoever needs the text says so with `reveal()`,
// so that every place that handles the plain text can be found.

import { inspect } from 'node:util'

/** What a secret shows wherever it is printed. */
export const hiddenSecret = '[secret]'

/** A string that shows as `[secret]` in JSON, in `util.inspect` and in template strings. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The plain text. Never log it, never put it into a message. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return hiddenSecret
  }

  toJSON(): string {
    return hiddenSecret
  }

  [inspect.custom](): string {
    return hiddenSecret
  }
}
