// GET /.well-known/jwks.json: the public keys that verify our tokens (RFC 7517).

import { Type } from 'typebox'
import type { HttpInstance, RouteParts } from '../dependencies.ts'
import { problems } from '../schemas.ts'

const key = Type.Object({
  kty: Type.String(),
  crv: Type.String(),
  x: Type.String(),
  kid: Type.String(),
  alg: Type.String(),
  use: Type.Literal('sig'),
})

export function getKeys(app: HttpInstance, { tokens }: Pick<RouteParts, 'tokens'>): void {
  app.get('/.well-known/jwks.json', {
    schema: {
      operationId: 'getKeys',
      summary: 'Public keys',
      tags: ['operation'],
      response: {
        200: Type.Object(
          { keys: Type.Array(key) },
          { description: 'A JWK Set (RFC 7517).', examples: [{ keys: [keyExample()] }] },
        ),
        ...problems(),
      },
    },
    handler: async (_request, reply) =>
      reply
        .header('cache-control', 'public, max-age=300')
        .code(200)
        .send({ keys: [...tokens.jwks().keys] }),
  })
}

function keyExample(): object {
  // The public key of RFC 8037, appendix A.2.
  const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
  return { kty: 'OKP', crv: 'Ed25519', x, kid: '2025', alg: 'EdDSA', use: 'sig' }
}
