// Validation of requests by their typebox schemas. Bodies are taken as they are, never coerced; in
// a query string, which is text only, whole numbers are read where the schema asks for them.

import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/** Most violations one answer lists. */
const violationsMax = 10

/** Makes the validator of one schema of a route. */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = Compile(schema)
  const integers = httpPart === 'querystring' ? integerMembers(schema) : []
  return (value: unknown) => {
    const read = integers.length === 0 ? value : readIntegers(value, integers)
    if (check.Check(read)) return { value: read }
    return {
      error: check
        .Errors(read)
        .slice(0, violationsMax)
        .map((each) => violation(each, schema)),
    }
  }
}

interface TypeboxError {
  readonly keyword: string
  readonly schemaPath: string
  readonly instancePath: string
  readonly params: object
  readonly message: string
}

function violation(error: TypeboxError, schema: TSchema): FastifySchemaValidationError {
  const { keyword, schemaPath, instancePath, params, message } = error
  // typebox says of a member that must not be there that "schema is false".
  const isUnwanted = keyword === 'boolean'
  return {
    keyword,
    schemaPath,
    instancePath,
    params: { ...params },
    message: isUnwanted
      ? `is not a member of the schema${allowedMembers(schema, instancePath)}`
      : message,
  }
}

/** Which members there may be, where one too many is at the top. */
function allowedMembers(schema: TSchema, instancePath: string): string {
  const { properties } = schema as { properties?: object }
  const isAtTop = instancePath.lastIndexOf('/') === 0
  return isAtTop && properties ? `: allowed are ${Object.keys(properties).join(', ')}` : ''
}

function integerMembers(schema: TSchema): readonly string[] {
  const { properties = {} } = schema as { properties?: Record<string, { type?: unknown }> }
  return Object.keys(properties).filter((name) => properties[name]?.type === 'integer')
}

function readIntegers(value: unknown, names: readonly string[]): unknown {
  const read: Record<string, unknown> = { ...(value as object) }
  for (const name of names) {
    const text = read[name]
    if (typeof text === 'string' && /^-?\d{1,15}$/.test(text)) read[name] = Number(text)
  }
  return read
}
