// The OpenAPI 3.1 document: what stands around the routes' own schemas.

import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { HttpDependencies } from './dependencies.ts'

const description = `Accounts, groups and history of Parley. Messages themselves are sent and
received over MQTT. Every error is a problem document (RFC 9457) of the media type
application/problem+json; its member \`code\` is the reason, for programs.

Ids are used in paths percent-encoded where a URL needs it. The id of a conversation begins with
\`d:\` (direct) or \`g:\` (group).`

/** Options for @fastify/swagger. */
export function openApiOptions(
  parts: Pick<HttpDependencies, 'version' | 'issuerInfo'>,
): FastifyDynamicSwaggerOptions {
  const { issuer, audience } = parts.issuerInfo
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Parley',
        version: parts.version,
        description,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'accounts', description: 'Users and their tokens.' },
        { name: 'groups', description: 'Groups and their members.' },
        { name: 'history', description: 'What was said.' },
        { name: 'reading', description: 'What was received and read, and what is muted.' },
        { name: 'administration', description: 'For who holds the administrator’s token.' },
        { name: 'operation', description: 'The server itself.' },
      ],
      components: {
        securitySchemes: {
          user: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description:
              `A token of the issuer \`${issuer}\` for \`${audience}\`, signed with EdDSA by ` +
              'a key of /.well-known/jwks.json.',
          },
          administrator: {
            type: 'http',
            scheme: 'bearer',
            description: 'The content of the file `admin-token` in the data folder.',
          },
        },
      },
    },
    refResolver: {
      // Without this a shared schema is named def-0.
      buildLocalReference: (schema, _base, _fragment, index) =>
        String(schema.$id ?? `def-${index}`),
    },
  }
}
