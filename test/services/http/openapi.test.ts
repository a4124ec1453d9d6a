// The OpenAPI document: complete, consistent, and true to its own schemas.

import t from 'tap'
import { Compile } from 'typebox/compile'
import { startApi } from './setup.ts'

// biome-ignore lint/suspicious/noExplicitAny: a document of any shape, to be walked.
type Node = any

async function readDocument(t: Parameters<typeof startApi>[0]): Promise<Node> {
  const { ask } = await startApi(t)
  const answer = await ask('GET', '/v1/openapi.json')
  t.equal(answer.status, 200)
  t.match(answer.headers.get('content-type'), /^application\/json/)
  return answer.body
}

function* walk(node: Node, path = '#'): Generator<[string, Node]> {
  if (typeof node !== 'object' || node === null) return
  yield [path, node]
  for (const [key, value] of Object.entries(node)) yield* walk(value, `${path}/${key}`)
}

function resolve(document: Node, ref: string): Node {
  return ref
    .replace(/^#\//, '')
    .split('/')
    .reduce((node: Node, key) => node?.[key], document)
}

function* operations(document: Node): Generator<[string, string, Node]> {
  for (const [path, item] of Object.entries<Node>(document.paths)) {
    for (const [method, operation] of Object.entries<Node>(item)) yield [path, method, operation]
  }
}

t.test('the document lists every public route, and no other', async (t) => {
  const document = await readDocument(t)
  t.equal(document.openapi, '3.1.0')
  t.match(document.info, { title: 'Parley', version: '1.2.3' })
  const routes = [...operations(document)].map(([path, method]) => `${method} ${path}`).sort()
  t.strictSame(routes, [
    'delete /v1/groups/{group}/members/{user}',
    'get /.well-known/jwks.json',
    'get /healthz',
    'get /readyz',
    'get /v1/conversations',
    'get /v1/conversations/{conversation}/messages',
    'get /v1/conversations/{conversation}/receipts',
    'get /v1/openapi.json',
    'get /v1/unread',
    'get /v1/users/me/settings',
    'patch /v1/groups/{group}',
    'patch /v1/users/me/settings',
    'post /v1/admin/groups',
    'post /v1/admin/tokens',
    'post /v1/admin/users',
    'post /v1/auth/register',
    'post /v1/auth/token',
    'post /v1/groups',
    'put /v1/conversations/{conversation}/mute',
    'put /v1/groups/{group}/members/{user}',
  ])
})

t.test('no reference dangles', async (t) => {
  const document = await readDocument(t)
  let count = 0
  for (const [path, node] of walk(document)) {
    if (typeof node.$ref !== 'string') continue
    count++
    t.match(node.$ref, /^#\//, path)
    t.ok(resolve(document, node.$ref), `${node.$ref} at ${path}`)
  }
  t.ok(count > 10, 'there are references to check')
  t.strictSame(Object.keys(document.components.schemas), ['Problem'])
})

t.test('every schema compiles, and every example fits its schema', async (t) => {
  const document = await readDocument(t)
  let examples = 0
  for (const [path, node] of walk(document)) {
    if (node.schema === undefined) continue
    const { $ref } = node.schema
    const check = Compile($ref === undefined ? node.schema : resolve(document, $ref))
    const named = Object.values<Node>(node.examples ?? {}).map(({ value }) => value)
    for (const example of [...(node.example === undefined ? [] : [node.example]), ...named]) {
      examples++
      t.ok(check.Check(example), `${path}: ${JSON.stringify(check.Errors(example))}`)
    }
  }
  t.ok(examples > 10)
})

t.test('every operation is named, described, and says who may call it', async (t) => {
  const document = await readDocument(t)
  const names = new Set<string>()
  const tags = document.tags.map(({ name }: Node) => name)
  for (const [path, method, operation] of operations(document)) {
    const place = `${method} ${path}`
    t.match(operation, { operationId: String, summary: String, tags: [String] }, place)
    names.add(operation.operationId)
    t.ok(tags.includes(operation.tags[0]), place)
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    const declared = (operation.parameters ?? []).filter((p: Node) => p.in === 'path')
    t.strictSame(declared.map((p: Node) => p.name).sort(), inPath.sort(), place)
    const schemes = (operation.security ?? []).flatMap(Object.keys)
    const isAdmin = path.startsWith('/v1/admin/')
    const isMine = /^\/v1\/(groups|conversations|unread|users)/.test(path)
    t.strictSame(schemes, isAdmin ? ['administrator'] : isMine ? ['user'] : [], place)
  }
  t.equal(names.size, [...operations(document)].length)
  t.match(document.components.securitySchemes, {
    user: { type: 'http', scheme: 'bearer' },
    administrator: { type: 'http', scheme: 'bearer' },
  })
  t.match(document.components.securitySchemes.user.description, /https:\/\/parley\.example/)
})

t.test('every error answer is a problem document, every success is described', async (t) => {
  const document = await readDocument(t)
  for (const [path, method, { responses }] of operations(document)) {
    const statuses = Object.keys(responses)
    t.ok(
      statuses.some((status) => status.startsWith('2')),
      `${method} ${path}`,
    )
    for (const [status, response] of Object.entries<Node>(responses)) {
      const place = `${method} ${path} ${status}`
      t.ok(response.description && response.description !== 'Default Response', place)
      if (Number(status) < 400) continue
      t.strictSame(
        response.content,
        { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        place,
      )
    }
  }
})
