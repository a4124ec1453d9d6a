// The kinds of settings that the schema is made of.

import { Type } from 'typebox'

/** Lowest, default and highest value. */
type Range = readonly [minimum: number, standard: number, maximum: number]

/** A text with a default. */
export function text(description: string, standard: string): ReturnType<typeof Type.String> {
  return Type.String({ minLength: 1, default: standard, description })
}

/** A number of something. */
export function count(unit: string, range: Range, description: string) {
  const [minimum, standard, maximum] = range
  return Type.Integer({ minimum, maximum, default: standard, unit, description })
}

/** Something that is off by default. */
export function flag(description: string) {
  return Type.Boolean({ default: false, description })
}

/** The port of a door that is closed by default. */
export function optionalPort(purpose: string) {
  return Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65535,
      unit: 'port',
      description: `Port for ${purpose}; 0 picks a free one. None if it is not given.`,
    }),
  )
}

/** A list of files, none by default. */
export function files(description: string) {
  return Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    expected: 'a list of files',
    description,
  })
}

/** A text that may be left out. */
export function optionalText(description: string) {
  return Type.Optional(Type.String({ minLength: 1, description }))
}

/** A text that is never shown and never taken from a flag; absent by default. */
export function secret(
  description: string,
  more: { readonly minLength?: number; readonly variable?: string } = {},
) {
  return Type.Optional(Type.String({ minLength: 1, secret: true, ...more, description }))
}
